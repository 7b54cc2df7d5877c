/* SPDX-License-Identifier: MIT */
/*
 * consumer: adds up what lies in the pages that come through "full", and sends them back through "empty",
 * until the producer has gone and the channel is empty.
 */
#include <libos/channel.h>
#include <libos/plan.h>
#include <stdio.h>

#define WORDS (EXO_PAGE_SIZE / sizeof(uint64_t))

int main(void)
{
    uint32_t full = channel_receiver("full"), empty = channel_sender("empty");
    uint64_t *page = channel_page();
    uint64_t sum = 0, pages = 0;
    struct channel_message message;
    int error;
    if (!full || !empty || !page) {
        printf("no channels \"full\" and \"empty\" in the manifest\n");
        return 2;
    }
    while ((error = channel_receive_page(full, page, &message)) == 0) {
        if (message.word[0] != pages++) {
            printf("page %llu came out of order\n", (unsigned long long)message.word[0]);
            return 1;
        }
        for (unsigned k = 0; k < WORDS; k++)
            sum += page[k];
        (void)channel_send_page(empty, page, 0, 0); /* DEAD: nobody wants it back */
    }
    printf("received %llu pages, sum %llu, then: %s\n", (unsigned long long)pages, (unsigned long long)sum,
           exo_error_text(error));
    return error == -EXO_E_DEAD ? 0 : 1;
}
