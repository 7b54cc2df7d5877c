/* SPDX-License-Identifier: MIT */
/*
 * The valid call of every operation: see bases.h. The table is made from EXO_OPS, so an operation that has no
 * BASE below does not compile: whoever adds one says here how it is called, and in world.c how it is undone.
 */
#include "bases.h"

#include "world.h"

#define R EXO_READ

#define BASE(name, ends, on, ...)                                                                  \
    enum { ends_##name = (ends) };                                                                 \
    static void fill_##name(struct exo_op *op)                                                     \
    {                                                                                              \
        const uint64_t arg[5] = {__VA_ARGS__};                                                     \
        op->handle = (on);                                                                         \
        for (unsigned i = 0; i < 5; i++)                                                           \
            op->arg[i] = arg[i];                                                                   \
    }

#define OK 0
#define WAITS (-EXO_E_CANCELLED)

/*   operation       ends   on             arguments */
BASE(nop,            OK,    0,             7)
BASE(alloc,          OK,    0,             2, 0, EXO_ANY)
BASE(free,           OK,    0,             world.run, 2)
BASE(give,           OK,    world.fresh,   world.run, 2)
BASE(freeze,         -EXO_E_BUSY, 0,       AT_MAPPED, 1) /* writable: the valid one is in the world */
BASE(thaw,           OK,    0,             AT_FROZEN)
BASE(table,          OK,    0,             world.run, AT_NO_TABLE, 1)
BASE(untable,        OK,    0,             AT_TABLE, 1)
BASE(map,            OK,    0,             AT_FREE, world.run, 2, R)
BASE(share,          OK,    0,             AT_FREE, AT_FROZEN, 2, R)
BASE(unmap,          OK,    0,             AT_MAPPED, 2)
BASE(protect,        OK,    0,             AT_MAPPED, 2, R)
BASE(slots,          OK,    world.fresh,   world.run + RUN_GIVEN, 1, 4)
BASE(timer,          WAITS, 0,             EXO_NEVER)
BASE(cancel,         OK,    0,             0, 0)
BASE(yield,          OK,    0,             0)
BASE(console_write,  OK,    world.console, EXO_BUF(world.buffer + 1, 200, 1))
BASE(console_grant,  OK,    world.fresh,   world.console, 'x')
BASE(env_create,     OK,    0,             world.run, 10, 0)
BASE(env_rings,      OK,    world.fresh,   world.run + RUN_GIVEN, world.run + RUN_GIVEN + 1, 1, world.run + RUN_GIVEN + 2, 1)
BASE(env_start,      OK,    world.ready,   0x1000, 0x2000, 0)
BASE(env_kill,       OK,    world.fresh,   0)
BASE(env_wait,       OK,    world.stopped, 0)
BASE(env_read,       OK,    world.stopped, 0x1000, EXO_BUF(world.buffer + 1, 3000, 100))
BASE(env_exit,       -EXO_E_RANGE, 0,      0) /* a valid one would end the attack */
BASE(handle_copy,    OK,    world.fresh,   world.carved)
BASE(handle_drop,    OK,    0,             world.carved)
BASE(cpu_give,       OK,    world.fresh,   world.slot_number, 1)
BASE(queue_create,   OK,    world.carved,  world.run, EXO_BUF(world.buffer + 1, 0, sizeof(struct exo_queue_spec)))
BASE(queue_info,     OK,    world.carved,  0)
BASE(net_rx,         WAITS, world.queue,   EXO_BUF(world.run, 0, 2000))
BASE(net_tx,         OK,    world.queue,   EXO_BUF(world.buffer, 0, 60))
BASE(power,          -EXO_E_HANDLE, 1,     0) /* the machine is init's */
BASE(reclaim_wait,   WAITS, 0,             0)
BASE(console_read,   -EXO_E_HANDLE, world.console, 0) /* reading is init's */
BASE(env_info,       OK,    0,             0, EXO_BUF(world.buffer + 1, 3000, sizeof(struct exo_account)))
BASE(send,           OK,    world.sender,  EXO_BUF(world.run, 0, 100), 3, 4)
BASE(recv,           OK,    world.receiver, AT_FREE)
BASE(channel_create, OK,    0,             world.run, 2, 1)
BASE(reclaim,        OK,    world.fresh,   1, 0)

#define EXO_X(number, NAME, name, h, a, b, c, d, e, r0, r1, r2, r3)                                \
    [number] = {#NAME, h, {a, b, c, d, e}, fill_##name, ends_##name},

const struct base bases[EXO_CODE_END] = {EXO_OPS(EXO_X)};
