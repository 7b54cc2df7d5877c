/* SPDX-License-Identifier: MIT */
/*
 * The interface between the exokernel and everything above it. This header is
 * the only truth about it: the kernel, the libos and the tests include it and
 * nothing restates it. It holds numbers and layouts only, no functions.
 *
 * Units: "frame" is a physical page number, "page" a virtual page number
 * (address >> 12), "tick" a TSC tick (info.tick_hz of them a second), "cell"
 * 64 bytes of submission ring.
 */
#ifndef EXO_ABI_H
#define EXO_ABI_H

#include <stdint.h>

#define EXO_PAGE_SIZE 4096u
#define EXO_PAGE_SHIFT 12
#define EXO_USER_END 0x00007ffffffff000ull /* first address a program can't map */
#define EXO_NEVER UINT64_MAX               /* a deadline that does not come */
#define EXO_ANY UINT64_MAX                 /* ALLOC: any frame will do */

/* ---- Entering the kernel -------------------------------------------------
 *
 * long exo_enter(uint64_t submit, uint64_t wait_for, uint64_t deadline);
 *
 * The one way in (`syscall`; rdi, rsi, rdx in; rax out; rcx, r11 and the other
 * caller-saved registers are lost, vector state is kept).
 *
 *   submit    absolute index of the cell behind the last one submitted. The
 *             kernel takes the cells from info.sq_head up to it.
 *   wait_for  absolute completion index: return when info.cq_tail >= wait_for.
 *             0 does not wait.
 *   deadline  absolute tick at which to return all the same; EXO_NEVER.
 *
 * Returns how many operations ended FAILED or plans were refused during this
 * crossing (so 0 lets a caller of QUIET plans skip its completion ring), or
 *   -EXO_E_RING      submit is behind sq_head or more than a ring ahead
 *   -EXO_E_FULL      the completion ring has no room to refuse a plan in; cells
 *                    from info.sq_head on were not taken
 */

/* ---- Errors: one table, with their text ---------------------------------- */

#define EXO_ERRORS(X)                                                          \
    X(0, OK, "no error")                                                       \
    X(1, RING, "submission index outside the ring")                            \
    X(2, FULL, "no room: ring, table or channel is full")                      \
    X(3, FORM, "malformed plan")                                               \
    X(4, CODE, "no such operation")                                            \
    X(5, EDGE, "an edge or reference does not point backward to an operation") \
    X(6, TYPE, "a result's kind does not fit the argument")                    \
    X(7, RANGE, "a number is outside its range")                               \
    X(8, HANDLE, "no such handle, or not of this kind")                        \
    X(9, RIGHT, "the caller has no right to do this")                          \
    X(10, FRAME, "no such frame, or not the caller's")                         \
    X(11, BUSY, "mapped, pinned or otherwise in use")                          \
    X(12, NO_TABLE, "a page table is missing; result 0 is its level")          \
    X(13, EXISTS, "something is there already")                                \
    X(14, ABSENT, "nothing is there")                                          \
    X(15, NO_FRAMES, "no free frames of that number or alignment")             \
    X(16, QUOTA, "beyond the account's limit of frames")                       \
    X(17, NO_SLOT, "no plan slot of a large enough class")                     \
    X(18, CAUSE, "not started: a needed operation did not end well")           \
    X(19, CANCELLED, "cancelled")                                              \
    X(20, WORK, "the plan's work cap is spent")                                \
    X(21, OVERLAP, "the match overlaps another queue's")                       \
    X(22, STATE, "not in a state that allows this")                            \
    X(23, DEAD, "the object has ended")                                        \
    X(24, REFUSED, "the packet does not fit the queue's send grant")           \
    X(25, DEVICE, "the device failed or is missing")                           \
    X(26, NOT_BUILT, "a known operation that this kernel does not have yet")

enum exo_error {
#define EXO_X(number, name, text) EXO_E_##name = number,
    EXO_ERRORS(EXO_X)
#undef EXO_X
};

/* ---- Plans ---------------------------------------------------------------
 *
 * A plan is a header cell and 1 to 64 operation cells behind it. Operation i
 * is the i-th cell behind the header; an EXO_MORE cell continues the operation
 * before it, takes a number too, and nothing may wait for it.
 */

#define EXO_PLAN_MAX 64

struct exo_plan { /* the header cell */
    uint8_t code; /* EXO_PLAN */
    uint8_t flags;
    uint16_t cells; /* operation and MORE cells that follow, 1..64 */
    uint32_t work;  /* cap in steps (a step touches at most 16 frames); 0: EXO_WORK_DEFAULT */
    uint64_t tag;   /* of the plan's own completions */
    uint64_t zero[6];
};

/* Plan flags. A plan's own completions have operation == EXO_PLAN_SELF. */
#define EXO_PLAN_STANDING 0x01 /* starts over when it ends well, at the next event or (nothing to wait for) at once */
#define EXO_PLAN_QUIET 0x02    /* no completion for the plan's good end */
#define EXO_PLAN_ANNOUNCE 0x04 /* a completion when admitted: result 0 is the plan's id, for CANCEL */
#define EXO_PLAN_SELF 0xffff
#define EXO_WORK_DEFAULT 65536u

struct exo_op {
    uint8_t code;
    uint8_t flags;
    uint16_t uses;   /* bit k<5: arg[k] is a reference; bit 5: the handle comes from the reference in arg[4]; the rest zero */
    uint32_t handle; /* slot:16 | generation:16; 0 is the caller's own environment */
    uint64_t after;  /* bit i: waits for operation i of this plan */
    uint64_t arg[5];
    uint64_t tag;
};

struct exo_more { /* continues the operation before it */
    uint8_t code; /* EXO_MORE */
    uint8_t zero[7];
    uint64_t word[7];
};

/* Operation flags: the start condition over the operations in `after`, once
 * `after` is not 0.  ALL and SOME wait until all have ended (ALL gives up at
 * the first failure). */
#define EXO_START_ALL 0x00   /* all ended OK; else FAILED(CAUSE) */
#define EXO_START_SOME 0x01  /* some FAILED (a handler); not needed: OK, results 0 */
#define EXO_START_ENDED 0x02 /* all ended, however */
#define EXO_START_ANY 0x03   /* the first of them ended, however */
#define EXO_START_MASK 0x03
#define EXO_QUIET 0x04  /* no completion when it ends OK */
#define EXO_VPAGE 0x08  /* buffers are named by virtual page of the caller, not by frame */

/* A buffer word: frame (or page) number:36 | offset:12 | length-1:16. */
#define EXO_BUF(frame, offset, length)                                                     \
    ((uint64_t)(frame) | (uint64_t)(offset) << 36 | (uint64_t)((length) - 1) << 48)
#define EXO_BUF_FRAME(b) ((uint64_t)(b) & 0xfffffffffull)
#define EXO_BUF_OFFSET(b) ((uint32_t)((uint64_t)(b) >> 36) & 0xfffu)
#define EXO_BUF_LENGTH(b) ((uint32_t)((uint64_t)(b) >> 48) + 1u)

/* A reference: operation:8 | result word:8 | addend:32 (signed), rest zero. */
#define EXO_REF(operation, word, addend)                                                   \
    ((uint64_t)(uint8_t)(operation) | (uint64_t)(uint8_t)(word) << 8 |                     \
     (uint64_t)(uint32_t)(int32_t)(addend) << 16)

/* Completions, in a ring that only the kernel writes: entry i is at i mod size. */
struct exo_completion {
    uint64_t tag;
    uint64_t result;    /* result word 0; of a refused plan: the cell's number, 0 the header */
    int32_t status;     /* 0, or -EXO_E_... */
    uint16_t operation; /* index in the plan, or EXO_PLAN_SELF */
    uint16_t generation; /* with plan: the plan's id, generation << 32 | plan */
    uint32_t plan; /* its slot */
    uint32_t more; /* low half of result word 1; of a refused plan what it needs: NO_SLOT: a slot for so many
                    * cells, QUOTA: so many frames; else 0 */
};

/* ---- Operations ----------------------------------------------------------
 *
 * One line an operation: number, NAME, name, kind of handle, kinds of the five
 * arguments, kinds of the four results. Argument kinds:
 *
 *   ZERO   must be 0                     WORD   any 64-bit value
 *   FRAME  a frame number                COUNT  1..EXO_COUNT_MAX; never a reference (it sets the price)
 *   ADDR   a page-aligned user address   PERM   EXO_READ | EXO_WRITE | EXO_EXEC, or EXO_NONE; with EXO_LARGE or without
 *   BUF    a buffer word, or in a result a length     TICK  an absolute tick
 *   SMALL  0..65535                      HANDLE a handle of the caller
 *
 * Handle kinds: NONE (must be 0), ENV (0 is the caller; else a child), QUEUE,
 * CONSOLE, MACHINE, SENDER and RECEIVER (the ends of a channel). What each operation does, every error and why, is beside
 * its number below the table.
 */

#define EXO_COUNT_MAX 65536u

#define EXO_OPS(X)                                                                               \
    X(3, NOP, nop, NONE, WORD, ZERO, ZERO, ZERO, ZERO, WORD, ZERO, ZERO, ZERO)                   \
    X(4, ALLOC, alloc, NONE, COUNT, SMALL, WORD, ZERO, ZERO, FRAME, WORD, ZERO, ZERO)            \
    X(5, FREE, free, NONE, FRAME, COUNT, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO)               \
    X(6, GIVE, give, ENV, FRAME, COUNT, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO)                \
    X(7, FREEZE, freeze, NONE, ADDR, COUNT, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO)            \
    X(8, THAW, thaw, NONE, ADDR, ZERO, ZERO, ZERO, ZERO, FRAME, ZERO, ZERO, ZERO)                \
    X(9, TABLE, table, ENV, FRAME, ADDR, SMALL, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO)              \
    X(10, UNTABLE, untable, ENV, ADDR, SMALL, ZERO, ZERO, ZERO, FRAME, ZERO, ZERO, ZERO)         \
    X(11, MAP, map, ENV, ADDR, FRAME, COUNT, PERM, ZERO, ZERO, ZERO, ZERO, ZERO)                 \
    X(12, SHARE, share, ENV, ADDR, ADDR, COUNT, PERM, ZERO, ZERO, ZERO, ZERO, ZERO)              \
    X(13, UNMAP, unmap, ENV, ADDR, COUNT, ZERO, ZERO, ZERO, FRAME, WORD, ZERO, ZERO)             \
    X(14, PROTECT, protect, ENV, ADDR, COUNT, PERM, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO)          \
    X(15, SLOTS, slots, ENV, FRAME, COUNT, SMALL, ZERO, ZERO, WORD, ZERO, ZERO, ZERO)            \
    X(16, TIMER, timer, NONE, TICK, WORD, ZERO, ZERO, ZERO, TICK, ZERO, ZERO, ZERO)              \
    X(17, CANCEL, cancel, NONE, WORD, WORD, ZERO, ZERO, ZERO, WORD, ZERO, ZERO, ZERO)            \
    X(18, YIELD, yield, ENV, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO)               \
    X(19, CONSOLE_WRITE, console_write, CONSOLE, BUF, ZERO, ZERO, ZERO, ZERO, BUF, ZERO, ZERO, ZERO) \
    X(20, CONSOLE_GRANT, console_grant, ENV, HANDLE, WORD, WORD, ZERO, ZERO, HANDLE, ZERO, ZERO, ZERO) \
    X(21, ENV_CREATE, env_create, NONE, FRAME, COUNT, SMALL, ZERO, ZERO, HANDLE, ZERO, ZERO, ZERO) \
    X(22, ENV_RINGS, env_rings, ENV, FRAME, FRAME, COUNT, FRAME, COUNT, ZERO, ZERO, ZERO, ZERO)  \
    X(23, ENV_START, env_start, ENV, WORD, WORD, WORD, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO)       \
    X(24, ENV_KILL, env_kill, ENV, ZERO, ZERO, ZERO, ZERO, ZERO, WORD, WORD, ZERO, ZERO)         \
    X(25, ENV_WAIT, env_wait, ENV, ZERO, ZERO, ZERO, ZERO, ZERO, WORD, WORD, WORD, ZERO)         \
    X(26, ENV_READ, env_read, ENV, WORD, BUF, ZERO, ZERO, ZERO, BUF, ZERO, ZERO, ZERO)           \
    X(27, ENV_EXIT, env_exit, NONE, WORD, WORD, WORD, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO)        \
    X(28, HANDLE_COPY, handle_copy, ENV, HANDLE, ZERO, ZERO, ZERO, ZERO, HANDLE, ZERO, ZERO, ZERO) \
    X(29, HANDLE_DROP, handle_drop, NONE, HANDLE, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO) \
    X(30, CPU_GIVE, cpu_give, ENV, SMALL, COUNT, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO)       \
    X(31, QUEUE_CREATE, queue_create, QUEUE, FRAME, BUF, ZERO, ZERO, ZERO, HANDLE, ZERO, ZERO, ZERO) \
    X(32, QUEUE_INFO, queue_info, QUEUE, ZERO, ZERO, ZERO, ZERO, ZERO, WORD, WORD, WORD, WORD)   \
    X(33, NET_RX, net_rx, QUEUE, BUF, ZERO, ZERO, ZERO, ZERO, BUF, WORD, BUF, ZERO)              \
    X(34, NET_TX, net_tx, QUEUE, BUF, WORD, WORD, WORD, WORD, ZERO, ZERO, ZERO, ZERO)            \
    X(35, POWER, power, MACHINE, SMALL, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO)          \
    X(36, RECLAIM_WAIT, reclaim_wait, NONE, ZERO, ZERO, ZERO, ZERO, ZERO, WORD, TICK, ZERO, ZERO) \
    X(37, ENV_INFO, env_info, ENV, SMALL, BUF, ZERO, ZERO, ZERO, WORD, ZERO, ZERO, ZERO)         \
    X(38, CONSOLE_READ, console_read, CONSOLE, ZERO, ZERO, ZERO, ZERO, ZERO, WORD, ZERO, ZERO, ZERO) \
    X(40, SEND, send, SENDER, BUF, WORD, WORD, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO)               \
    X(41, RECV, recv, RECEIVER, ADDR, ZERO, ZERO, ZERO, ZERO, BUF, WORD, WORD, FRAME)            \
    X(42, CHANNEL_CREATE, channel_create, ENV, FRAME, SMALL, SMALL, ZERO, ZERO, HANDLE, HANDLE, ZERO, ZERO) \
    X(43, RECLAIM, reclaim, ENV, COUNT, TICK, ZERO, ZERO, ZERO, WORD, WORD, ZERO, ZERO)

/* Reserved numbers: known, refused with NOT_BUILT until they exist. */
#define EXO_OPS_RESERVED(X)                                                                      \
    X(44, IRQ)                                                                                   \
    X(45, DISK_READ) X(46, DISK_WRITE) X(47, DISK_FLUSH) X(48, EXTENT_SPLIT)

enum exo_code {
    EXO_PLAN = 1,
    EXO_MORE = 2,
#define EXO_X(number, NAME, name, h, a, b, c, d, e, r0, r1, r2, r3) EXO_##NAME = number,
    EXO_OPS(EXO_X)
#undef EXO_X
#define EXO_X(number, NAME) EXO_##NAME = number,
    EXO_OPS_RESERVED(EXO_X)
#undef EXO_X
    EXO_CODE_END = 49
};

/* Every operation that names memory can fail with FRAME (no such frame, or not
 * the caller's), and every one with a handle with HANDLE. An operation that gives a frame another owner or other rights
 * may park until every core has forgotten the mappings that it had. Others, by number:
 *
 * NOP(word)                    Ends well; result 0 is its argument.
 *
 * ALLOC(count, align, wanted)  Takes `count` consecutive free frames, zeroed,
 *   aligned to 1 << align frames; `wanted` names the first or is EXO_ANY.
 *   Results: the first, how many: all, unless it ended with WORK or CANCELLED; those are the caller's. QUOTA, NO_FRAMES (no such run), RANGE (align > 10, more than 1024
 *   frames, `wanted` not aligned or with more than 16 frames).
 * FREE(frame, count)           Gives owned frames back. BUSY if one is mapped or pinned.
 * GIVE(child; frame, count)    Moves owned frames, and their charge, to a child (not 0).
 *   BUSY if one is mapped or pinned; QUOTA if the child's limit is less.
 *
 * FREEZE(address, count)       Freezes the owned frames mapped there: nobody can
 *   write them any more, each mapping is a right of its own.
 *   ABSENT; BUSY if one is mapped writable anywhere or pinned for writing.
 * THAW(address)                Makes the frozen frame mapped there owned again, if the
 *   caller's one mapping (which becomes an ordinary read-only one) is the only
 *   right to it. Result: the frame. BUSY otherwise.
 *
 * TABLE(env; frame, address, level)  Donates an owned frame of the caller as the
 *   page table of `level` (1: maps pages, 2, 3) for `address`. For a child the frame must have been
 *   the caller's: it moves. Level 1 where a large page is splits it. EXISTS, NO_TABLE (a level above is missing), BUSY,
 *   RANGE (level), QUOTA (child).
 * UNTABLE(env; address, level) Takes an empty page table back. Result: the frame,
 *   owned by the environment it served. BUSY if not empty.
 * MAP(env; address, frame, count, perm)  Maps `count` consecutive frames owned by that
 *   environment. NO_TABLE, EXISTS, RANGE; BUSY (65535 writable mappings). Never allocates. With perm == EXO_READ also maps
 *   the environment's own tables, completion ring and info page (EXO_INFO_FRAME).
 *   Pages before the one that failed stay mapped; result 0 then counts them.
 * SHARE(env; to, from, count, perm)  Copies the caller's mappings of frozen frames at
 *   `from` to `to` in the environment. perm without EXO_WRITE. Each costs the
 *   holder one frame of quota. ABSENT, STATE (not frozen), NO_TABLE, EXISTS, QUOTA.
 * UNMAP(env; address, count)   Removes mappings; holes are skipped. Results: frame of the
 *   first page that was mapped (0: none), pages removed. The last right to a frozen frame frees it. STATE: not all of a large page.
 * PROTECT(env; address, count, perm)  Changes rights of what is mapped; holes are
 *   skipped. RIGHT if EXO_WRITE is asked for frozen or kernel frames; STATE (a large page: split it), RANGE (EXO_LARGE).
 *
 * SLOTS(env; frame, count, class)  Donates `count` consecutive frames of that environment
 *   as plan slots for 4, 16, 32 or 64 cells. Result: slots gained. RANGE (class, or too
 *   few frames for one), BUSY.
 * TIMER(tick, period)          Parks until then. Result: the tick at which it ended. In a standing plan
 *   a period other than 0 moves the tick on by the first multiple of it that is not past; with 0 it waits only once.
 * CANCEL(plan, operations)     Cancels those operations (bit mask) of the plan with this
 *   id, or of this plan (0), that have not ended. Result: how many. ABSENT.
 * YIELD(env)                   The rest of the slice goes to a child or whom the scheduler picks (0).
 *
 * CONSOLE_WRITE(console; buffer)  Writes up to 1024 bytes as lines, each behind the
 *   handle's label. Result: bytes written. RANGE.
 * CONSOLE_GRANT(child; console, label, label)  A console handle for the child with a label of
 *   up to 16 characters (lower-case letters, digits, '-'; NUL padded), to write with. Result: the child's handle. FULL, RANGE.
 * CONSOLE_READ(console)        Parks until somebody types. Result: the byte. Whoever waits first gets the first one. The kernel
 *   keeps none: behind the serial port's own buffer (16 bytes) they are lost. HANDLE for handles that CONSOLE_GRANT made.
 *
 * ENV_CREATE(frame, quota, places)  Makes a child from EXO_ENV_FRAMES consecutive owned, unmapped
 *   frames; `quota` frames of the caller's limit move to it, those included,
 *   and `places`: how many descendants it may have, of the caller's. Result: its handle. QUOTA, BUSY,
 *   FULL (handles or places), RANGE.
 * ENV_RINGS(child; control, sq, sq count, cq, cq count)  Sets and pins the control page and rings from
 *   frames of the child; counts are powers of two up to 16 frames. STATE once set, BUSY, RANGE.
 * ENV_START(child; rip, rsp, rdi)  Lets it run. STATE if it has no rings or runs already;
 *   RANGE for addresses outside user space.
 * ENV_KILL(child)              Ends it with everything it has; parks while frames are
 *   walked. Its frames and quota return. Results: frames, and frames of the limit that returned. The handle goes with it.
 * ENV_WAIT(child)              Parks until it has stopped. Results: why (EXO_STOP_...), and
 *   the two words that go with it. FULL: 16 operations wait for it already.
 * ENV_READ(child; address, buffer)  Copies memory of a stopped child into an owned buffer of at most
 *   4096 bytes. Result: bytes copied up to the first hole. STATE if it is running.
 * ENV_INFO(env; index, buffer) Counts what an environment (index 0), or one below it with that index, has. Writes a struct
 *   exo_account into an owned buffer within one frame, 8-byte aligned. Result: the index. ABSENT (no such), RANGE.
 * ENV_EXIT(reason, word, word) Stops the caller with EXO_STOP_EXIT or EXO_STOP_CRASH. RANGE.
 * HANDLE_COPY(child; handle)   Gives the child a copy of a QUEUE, CONSOLE or SENDER handle. Result: the
 *   child's handle. FULL, RIGHT (other kinds), DEAD (a channel that has ended).
 * HANDLE_DROP(handle)          Forgets a handle. A queue with no handle left ends, a channel with its RECEIVER;
 *   with its last SENDER a channel's RECVs learn DEAD once it is empty. RIGHT (a child: that is ENV_KILL's).
 * CPU_GIVE(child; slot, count) Gives owned CPU time slots to a child. RIGHT, RANGE.
 *
 * QUEUE_CREATE(parent; frame, spec)  Carves a queue from `parent`: `spec` is a buffer holding a struct
 *   exo_queue_spec, `frame` becomes the queue object. Result: its handle. RIGHT (a match not stricter than
 *   the parent's), OVERLAP, RANGE, FULL, STATE (masks).
 * QUEUE_INFO(queue)            Results: the NIC's MAC address (first byte lowest) with the
 *   features in bits 48.. (EXO_NIC_...), packets received, packets dropped for
 *   want of a posted buffer, packets sent.
 * NET_RX(queue; buffer)        Parks until a packet comes and is copied there (cut to the
 *   buffer: 60 to 65536 bytes). Results: length as on the wire, EXO_RX_ flags, the buffer word (by frame) of what was copied.
 * NET_TX(queue; buffer, more, checksum, ZERO..)  Sends one Ethernet frame without FCS; word 1 counts further
 *   buffer words (up to 15) in arg[3], arg[4] and MORE cells; `checksum` is 0 or EXO_TX_CSUM(start, offset), perhaps with
 *   EXO_TX_SEGMENT(bytes). Ends when the device has
 *   taken the bytes (at once if there are at most 128). REFUSED, RANGE (under 14 or over 1514 bytes, or 65549 with
 *   segments; behind the first 128 bytes, more than 13 frames (each counted once for each word); what
 *   the device writes inside checked bits, or nothing it can do), DEVICE.
 *
 * RECLAIM(child; count, deadline)  Takes `count` frames of a child's limit back into the caller's. Ends at once if
 *   so many are unused there; else the child is asked (RECLAIM_WAIT, info.reclaim) and this parks until they are. At `deadline`
 *   (EXO_NEVER: not at all) the child is stopped and its memory taken, see "Reclaim" below, until it is enough; then it goes on.
 *   Results: frames returned, pages and frames taken by force (of one that failed, too). BUSY: another RECLAIM of it is under way; QUOTA: its limit is
 *   less; DEAD: it was killed meanwhile, or all that may be taken was not enough: it stopped with EXO_STOP_RECLAIM.
 * RECLAIM_WAIT()               Parks until the caller's parent asks for frames; each RECLAIM is told to one
 *   RECLAIM_WAIT, to the first that was waiting or comes. Results: frames still to give, the deadline.
 *
 * CHANNEL_CREATE(receiver; frame, places, carry)  Makes a channel to that environment: `frame` (owned by it) becomes
 *   the object, `places` (1..EXO_CHANNEL_PLACES) messages find room in it, each with up to `carry` (0..EXO_CHANNEL_FRAMES)
 *   frames, which are charged to the receiver now and for good: places * carry. Results: a SENDER handle of the
 *   caller's, to copy to children; the RECEIVER handle, the receiver's and in its own table. It alone can receive.
 *   BUSY, FULL (a handle table), QUOTA (the receiver's), RANGE.
 * SEND(sender; buffer, word, word)  Sends a message: two words and a buffer word with the frames it lies in, at most `carry`. Frame 0: none,
 *   the buffer word is a third word. They must be owned, without mapping and pin, and move: from the start of SEND on they
 *   are the message's. With EXO_VPAGE they are frozen ones, named by page, and the message has a right to each, charged
 *   to the sender while SEND waits. Parks while the channel is full, first come first served; cancelled, it
 *   gives the frames back. BUSY, RANGE, STATE (not frozen), ABSENT, QUOTA; DEAD: the receiver has ended, the frames are the caller's.
 * RECV(receiver; address)      Takes the next message; parks while there is none. Results: the buffer word, the two words, the
 *   first of the frames that moved (0: none). Frozen frames are mapped at `address` on, readable, and the buffer word names those
 *   pages. When it fails the message stays: QUOTA (each frame is charged to the caller), STATE (frozen frames and
 *   `address` is 0), NO_TABLE, EXISTS, RANGE. DEAD: no message left and no handle to the sending end.
 *
 * POWER(machine; value)        Ends the machine; `value` is the exit code's (EXO_POWER_...).
 */

/*
 * Large pages: EXO_LARGE_PAGES pages at an aligned address that one entry of a table of level 2 maps. Frames and rights are what they
 * are without it: each frame counts its mapping, is frozen, thawed and charged by itself, and an operation does
 * 16 pages a step. MAP or SHARE with EXO_LARGE makes it from its first page on, over frames aligned alike (else RANGE), where
 * no table of level 1 is (EXISTS); a later one goes on where an earlier one ended (ABSENT, EXISTS: elsewhere). It can be
 * accessed once its last page is there. UNMAP of all of it takes it away from its first page on, and with that no page can be accessed.
 * TABLE of level 1 splits it: the frame becomes a table of small pages with the same rights, accessed and dirty (EXO_NONE
 * if it was not whole). Nothing joins small pages to a large one.
 * In its table: frame << 12, bit 7, else as a small page's; accessed and dirty are of all of it. Not whole: bit 0 is clear, bits 44-52 and
 * 53-62 say from which to which page it is there.
 */

#define EXO_CHANNEL_PLACES 64u
#define EXO_CHANNEL_FRAMES 4u

#define EXO_READ 1u
#define EXO_WRITE 2u
#define EXO_EXEC 4u
#define EXO_NONE 8u /* alone: mapped, and any access faults (the frame stays where UNMAP finds it) */
#define EXO_LARGE 16u /* MAP and SHARE: as large pages, see "Large pages" */
#define EXO_LARGE_PAGES 512u

/* MAP with this frame maps the environment's info page, read-only. */
#define EXO_INFO_FRAME 0xfffffffffull

/* ---- Environments -------------------------------------------------------- */

#define EXO_ENV_FRAMES 5u /* environment, handle table, vector state, info page, top page table */
#define EXO_SELF 0u

/* The first program's handles. Children have only what was copied to them. */
#define EXO_BOOT_MACHINE 1u
#define EXO_BOOT_CONSOLE 2u
#define EXO_BOOT_NIC 3u /* HANDLE errors if there is no NIC */

/* How the kernel lays out the first program: its ELF segments, this block, the
 * archive. Entered with rsp = EXO_BOOT_STACK, rdi = EXO_BOOT_BASE. */
#define EXO_BOOT_BASE 0x700000000000ull               /* one zeroed page, the program's to use */
#define EXO_BOOT_CONTROL (EXO_BOOT_BASE + 0x1000)     /* struct exo_control */
#define EXO_BOOT_INFO (EXO_BOOT_BASE + 0x2000)        /* struct exo_info */
#define EXO_BOOT_SQ (EXO_BOOT_BASE + 0x10000)         /* EXO_BOOT_RING_FRAMES of cells */
#define EXO_BOOT_CQ (EXO_BOOT_BASE + 0x20000)         /* EXO_BOOT_RING_FRAMES of completions */
#define EXO_BOOT_RING_FRAMES 4u
#define EXO_BOOT_STACK (EXO_BOOT_BASE + 0x200000)     /* its end */
#define EXO_BOOT_STACK_PAGES 16u
#define EXO_BOOT_ARCHIVE 0x100000000000ull            /* frozen, readable, page-aligned */
#define EXO_BOOT_SLOT_CLASS 4u                        /* one frame of plan slots of that class */

#define EXO_CPU_SLOTS 32u     /* in a core's cycle */
#define EXO_CPU_SLOT_US 2000u /* microseconds each */

#define EXO_POWER_OK 0x10u
#define EXO_POWER_FAILED 0x11u
#define EXO_POWER_PANIC 0x12u
#define EXO_POWER_BOOT 0x13u

/* Why an environment stopped, with the two words of ENV_WAIT. */
#define EXO_STOP_EXIT 1u   /* said so itself: status, 0 */
#define EXO_STOP_CRASH 2u  /* said so itself: vector, address of its struct exo_context */
#define EXO_STOP_NESTED 3u /* a fault at full depth, or no usable control page: vector, address */
#define EXO_STOP_KILLED 4u
#define EXO_STOP_RECLAIM 5u /* what may be taken by force was not enough: frames still missing, taken */

/* Registers of an interrupted program. */
struct exo_context {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15;
    uint64_t vector, error; /* of the fault (Intel SDM vol. 3, 6.15), or EXO_UPCALL_... */
    uint64_t rip, cs, rflags, rsp, ss; /* as iretq pops them */
    uint64_t address;       /* CR2 of a page fault */
    uint64_t zero;
};

#define EXO_DEPTH 4u

/*
 * The control page: the program's own, pinned, writable by it. An upcall enters
 * at `entry` with rdi = the depth it was saved at, rsp = stack[depth] and
 * interrupts as in any user code; `context[depth]` holds what was interrupted
 * and `depth` is one more. Events (vector >= 256) are saved at depth 0 only: at
 * other depths they set a bit in `pending` and nothing else. A fault at depth 4
 * stops the environment. To resume, the program lowers `depth` and goes back to
 * the saved registers by itself (POPF and RET; a ring-3 IRET faults under SMAP in
 * QEMU before 9.1).
 */
struct exo_control {
    uint64_t entry;
    uint64_t stack[EXO_DEPTH];
    uint32_t depth;
    uint32_t pending; /* 1 << (vector - 256); the program clears them */
    uint32_t want;    /* events wanted as upcalls, same bits; others only set `pending` */
    uint32_t zero;
    uint64_t cq_head; /* completions the program has taken */
    struct exo_context context[EXO_DEPTH];
    struct exo_context last; /* of a fault that stopped it (EXO_STOP_NESTED) */
    uint64_t spare; /* a forced reclaim takes pages from this address on first (see "Reclaim") */
};

#define EXO_UPCALL_SLICE 256u      /* a CPU slot has ended and another began */
#define EXO_UPCALL_COMPLETION 257u /* completions came while it was running */

/*
 * Reclaim. What a program's parent asks back and does not get in time is taken by force, in this order: pages from
 * control.spare to the end of user space, pages below it, owned frames that are not mapped. A page whose frame is owned, not pinned
 * and mapped only there is unmapped, and the frame goes; a mapping of a frozen frame goes. A large page goes from its first page
 * on up to one that has to stay; what then is left of it is not whole: the program splits it to reach its pages again. Tables, rings, the control page,
 * plan slots and other objects, pinned frames and frames mapped more than once stay. Each run of pages or
 * frames is an entry of info.taken[]: entry i is at i mod EXO_TAKEN, info.taken_tail is one past the last. A program that has not looked
 * for more than EXO_TAKEN of them sees by taken_tail that the oldest were written over: its tables tell what is gone.
 */
#define EXO_TAKEN 128u
#define EXO_TAKEN_FRAMES 1u

struct exo_taken {
    uint64_t first; /* address of the first page; or first frame << 12 | EXO_TAKEN_FRAMES */
    uint64_t count;
};

/* The info page: written by the kernel, mapped read-only. */
struct exo_info {
    uint64_t sq_head; /* cells taken */
    uint64_t cq_tail; /* completions posted */
    uint64_t sq_size, cq_size; /* in cells and in completions */
    uint64_t tick_hz;
    uint64_t tick_zero;   /* tick at which wall_zero was read */
    uint64_t wall_zero;   /* seconds since 1970, UTC, from the machine's clock */
    uint64_t frames_used, frames_limit; /* the account */
    uint64_t ticks_used;  /* CPU time charged */
    uint64_t crossings, upcalls, wakeups, switches; /* counted since start; switches: address-space loads for it */
    uint64_t cpu_slots;   /* owned in the cycle */
    uint64_t places;      /* descendants it may still make */
    uint64_t cpu_features; /* EXO_CPU_... */
    uint64_t vector_bytes; /* size of an XSAVE image with all enabled parts */
    /* The first program only; zero for others: */
    uint64_t archive, archive_bytes; /* boot archive, mapped frozen */
    uint64_t frames_total;           /* usable frames of the machine */
    /* Reclaim: frames that the parent asks for (0: none) and until when; what was taken. */
    uint64_t reclaim, reclaim_deadline;
    uint64_t taken_tail;
    struct exo_taken taken[EXO_TAKEN];
};

/* What an environment has (ENV_INFO). Frames: used == owned + frozen + tables + slots + queues + channels + places + other. */
struct exo_account {
    uint32_t index, parent;       /* numbers of environments, reused after their end; parent 0: none */
    uint32_t state;               /* 0 being built, 1 runs, 2 waits in the kernel, 3 stopped, 4 being killed */
    uint32_t limit, used, reserved; /* reserved: for plans that were admitted, not in `used` */
    uint32_t frozen, owned;       /* frozen: rights to frozen frames */
    uint32_t tables, slots, queues, channels; /* page tables; of plan slots; objects */
    uint32_t places, other;       /* set aside by its channels; its environment's, rings, parked messages */
    uint32_t plans, plan_slots;   /* in flight, and room for */
    uint32_t cpu_slots, children; /* children: that it may still make, theirs included */
};

#define EXO_CPU_RDRAND 1u
#define EXO_CPU_XSAVEOPT 2u
#define EXO_CPU_INVARIANT_TSC 4u

/* ---- NIC queues ---------------------------------------------------------- */

#define EXO_MATCH_BYTES 128u
#define EXO_MATCHES 4u

struct exo_match { /* fits a packet when (packet & mask) == value, bytes past its end being 0 */
    uint8_t mask[EXO_MATCH_BYTES];
    uint8_t value[EXO_MATCH_BYTES];
};

struct exo_queue_spec { /* 2064 bytes, within one frame */
    uint32_t rx_count, tx_count; /* 0..4 of each are used */
    uint32_t flags;              /* EXO_QUEUE_BROADCAST */
    uint32_t zero;
    struct exo_match rx[EXO_MATCHES]; /* receives what fits one of them */
    struct exo_match tx[EXO_MATCHES]; /* may send what fits one of them */
};

#define EXO_QUEUE_BROADCAST 1u /* wants broadcast and multicast frames too */
#define EXO_PACKET_MAX 1514u
#define EXO_TX_HEAD 128u /* bytes checked and copied */

#define EXO_NIC_TX_CSUM 1u /* the device fills checksums */
#define EXO_NIC_RX_CSUM 2u /* the device checks them */
#define EXO_NIC_TX_SEGMENT 4u /* the device cuts TCP over IPv4 into segments */

#define EXO_RX_CSUM_VALID 1u  /* the device verified the transport checksum */
#define EXO_RX_CSUM_NEEDED 2u /* never computed: comes from a neighbour on the host; treat as valid. Neither: it may be wrong */
#define EXO_RX_BROADCAST 4u
#define EXO_RX_CUT 8u /* longer than the buffer */

/* The device sums from `start` to the end and adds into the 16 bits at start + offset. */
#define EXO_TX_CSUM(start, offset) (1ull << 32 | (uint64_t)(start) << 16 | (uint64_t)(offset))

/* Together with EXO_TX_CSUM(34, 16), on a TCP packet over IPv4 without options, of which only ACK and PSH may
 * be set and whose IP length is right: the device sends it as segments with so many bytes of payload, 536 to
 * what fits a frame. It writes IP length, identification and checksum, TCP sequence number, flags
 * and checksum of each: none of these bits may be checked by the queue's match. */
#define EXO_TX_SEGMENT(bytes) ((uint64_t)(bytes) << 48)

_Static_assert(sizeof(struct exo_op) == 64, "a cell is 64 bytes");
_Static_assert(sizeof(struct exo_plan) == 64, "a cell is 64 bytes");
_Static_assert(sizeof(struct exo_more) == 64, "a cell is 64 bytes");
_Static_assert(sizeof(struct exo_completion) == 32, "a completion is 32 bytes");
_Static_assert(sizeof(struct exo_control) <= EXO_PAGE_SIZE, "one page");
_Static_assert(sizeof(struct exo_info) <= EXO_PAGE_SIZE, "one page");
_Static_assert(sizeof(struct exo_queue_spec) <= EXO_PAGE_SIZE, "within one frame");

#endif
