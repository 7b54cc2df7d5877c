/* SPDX-License-Identifier: MIT */
/*
 * Against channels: the wrong end, forged ends, frames that are not the sender's to give, more than a place holds, and a
 * flood to a reader that does not read. As "reader" it is the other side: what it pays stays what it agreed to, and
 * what comes is whole and in order.
 */
#include <libos/channel.h>
#include <libos/clock.h>

#include "attack.h"

#define REST 2000000000ull /* nanoseconds in which the reader does not read */
#define MARK 0x5eed000000000000ull

static int send_cell(uint32_t handle, uint64_t buffer, unsigned flags)
{
    return run_cell((struct exo_op){.code = EXO_SEND, .handle = handle, .flags = (uint8_t)flags, .arg = {buffer, MARK, ~MARK}});
}

/* Every frame of the machine: none is idle and this program's. */
static void every_frame(uint32_t pipe)
{
    unsigned taken = 0;
    for (uint64_t frame = 1; frame < 32768; frame++) {
        int error = send_cell(pipe, EXO_BUF(frame, 0, 1), 0);
        taken += error != -EXO_E_FRAME && error != -EXO_E_BUSY;
    }
    holds("no frame but one's own idle ones can be sent", taken == 0);
}

static void wrong_ends(uint32_t pipe, uint32_t feed)
{
    refused("receiving from the sending end", run_cell((struct exo_op){.code = EXO_RECV, .handle = pipe}), EXO_E_HANDLE);
    refused("sending to the receiving end", send_cell(feed, 0, 0), EXO_E_HANDLE);
    for (uint32_t forged = 0; forged < 1024; forged++)
        if (forged != pipe)
            refused("a forged end", send_cell(forged, 0, 0), EXO_E_HANDLE);
    refused("a channel with a foreign frame",
            run_cell((struct exo_op){.code = EXO_CHANNEL_CREATE, .arg = {5, 4, 1}}), EXO_E_FRAME);
}

static void wrong_frames(uint32_t pipe)
{
    uint64_t frame, *memory = mem_map_run(6, &frame), page = (uint64_t)memory >> EXO_PAGE_SHIFT;
    refused("a mapped frame", send_cell(pipe, EXO_BUF(frame, 0, 1), 0), EXO_E_BUSY);
    refused("two frames where a place has one", send_cell(pipe, EXO_BUF(frame, 4095, 2), 0), EXO_E_RANGE);
    refused("sixteen frames", send_cell(pipe, EXO_BUF(frame, 0, 65536), 0), EXO_E_RANGE);
    refused("a page that is not frozen", send_cell(pipe, EXO_BUF(page, 0, 1), EXO_VPAGE), EXO_E_STATE);
    refused("a page that is not there", send_cell(pipe, EXO_BUF(1, 0, 1), EXO_VPAGE), EXO_E_ABSENT);
    refused("the last page there could be", send_cell(pipe, EXO_BUF(0xfffffffffull, 0, 1), EXO_VPAGE), EXO_E_ABSENT);
    mem_unmap_run(memory, 6);
    every_frame(pipe);
}

/* A frame sent twice, used after it was sent, and then more messages than anybody wants, with a frame each. */
static void flood(uint32_t pipe)
{
    struct plan_buffer buffer;
    unsigned sent = 0;
    for (long failed = 0; !failed && sent < 2000; sent++) {
        struct plan *plan = plan_begin(&buffer);
        plan_flags(plan, EXO_PLAN_QUIET, NULL);
        plan_quiet(plan, true);
        struct frame_ref frame = plan_alloc(plan, 1, 0);
        plan_send(plan, handle_number(pipe), buffer_frame(frame), word_number(MARK + sent), word_number(~(MARK + sent)));
        failed = plan_submit(plan);
    }
    holds("a flood ends when the sender has no slot or frame left", sent < 2000);
    libos_log("flooded with %u messages", sent - 1);
}

static void used_after(uint32_t pipe)
{
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    struct frame_ref frame = plan_alloc(plan, 1, 0);
    plan_send(plan, handle_number(pipe), buffer_frame(frame), word_number(MARK), word_number(~MARK));
    holds("one message goes", plan_run(plan) == 0);
    uint64_t number = plan_value(plan, frame);
    refused("the same frame again", send_cell(pipe, EXO_BUF(number, 0, 1), 0), EXO_E_FRAME);
    refused("freeing it", run_cell((struct exo_op){.code = EXO_FREE, .arg = {number, 1}}), EXO_E_FRAME);
    refused("mapping it", run_cell((struct exo_op){.code = EXO_MAP, .arg = {LIBOS_START + 0x40000, number, 1, EXO_READ}}), EXO_E_FRAME);
}

static int reader(void)
{
    uint32_t pipe = channel_receiver("pipe");
    uint64_t used = PLAN_INFO->frames_used, count = 0;
    struct channel_message message;
    struct plan_buffer buffer;
    struct plan *plan = plan_begin(&buffer);
    plan_timer(plan, tick_number(clock_deadline(REST)));
    plan_run(plan);
    holds("the reader pays what it agreed to", PLAN_INFO->frames_used == used);
    while (channel_receive(pipe, &message) == 0) {
        holds("messages are whole", message.word[1] == ~message.word[0]);
        holds("and in order", message.word[0] == MARK + (count ? count - 1 : 0)); /* the first of the flood has the mark too */
        count++;
        if (message.frame)
            holds("a frame that came is the reader's", run_cell((struct exo_op){.code = EXO_FREE, .arg = {message.frame, 1}}) == 0);
    }
    holds("something came", count > 8);
    libos_log("received %lu messages, then the sender was gone", (unsigned long)count);
    return attack_end();
}

int main(void)
{
    if (!strcmp(start_info()->name, "reader"))
        return reader();
    uint32_t pipe = channel_sender("pipe"), feed = channel_receiver("feed");
    wrong_ends(pipe, feed);
    wrong_frames(pipe);
    used_after(pipe);
    int end = attack_end();
    flood(pipe);
    return end || attack_failures;
}
