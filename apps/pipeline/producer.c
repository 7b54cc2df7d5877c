/* SPDX-License-Identifier: MIT */
/*
 * producer: fills pages and sends them through the channel "full". They come back through
 * "empty", so that a handful of frames serves for any number of pages.
 *
 *   producer [PAGES]
 */
#include <libos/channel.h>
#include <libos/plan.h>
#include <stdio.h>
#include <stdlib.h>

#define FRAMES 4u /* that go around */
#define WORDS (EXO_PAGE_SIZE / sizeof(uint64_t))

int main(int argc, char **argv)
{
    uint32_t full = channel_sender("full"), empty = channel_receiver("empty");
    uint64_t pages = argc > 1 ? strtoull(argv[1], NULL, 10) : 100;
    uint64_t *page = channel_page();
    uint64_t sum = 0;
    if (!full || !empty || !page) {
        printf("no channels \"full\" and \"empty\" in the manifest\n");
        return 2;
    }
    for (uint64_t i = 0; i < pages; i++) {
        struct channel_message message;
        int error = i < FRAMES ? channel_fill_page(page) : channel_receive_page(empty, page, &message);
        for (unsigned k = 0; k < WORDS && !error; k++)
            sum += page[k] = i * WORDS + k;
        if (!error)
            error = channel_send_page(full, page, i, 0);
        if (error) {
            printf("page %llu: %s\n", (unsigned long long)i, exo_error_text(error));
            return 1;
        }
    }
    printf("sent %llu pages, sum %llu, with %u frames\n", (unsigned long long)pages, (unsigned long long)sum, FRAMES);
    return 0; /* the consumer learns it: its next RECV ends DEAD */
}
