/* SPDX-License-Identifier: MIT */
/*
 * The first serial port (16550 at 3F8h), written by polling with a bound and read when it
 * interrupts, and the end of the machine. A port that is missing or stuck costs output, never time.
 */
#include "internal.h"
#include "x86.h"

#define COM1 0x3f8u
#define DATA COM1
#define INTERRUPTS (COM1 + 1)
#define FIFO (COM1 + 2)
#define LINE (COM1 + 3)
#define MODEM (COM1 + 4)
#define STATUS (COM1 + 5)
#define SCRATCH (COM1 + 7)

#define STATUS_DATA 0x01u
#define STATUS_ROOM 0x20u
#define STATUS_EMPTY 0x40u
#define FIFO_BYTES 16u
#define WAIT_MAX 100000u /* some 100 ms of real port reads; 16 bytes take 1.4 */

#define EXIT_PORT 0xf4u

static bool present;
static bool stuck; /* was not ready in time: nobody waits again until it is */

static void on_interrupt(void *unused)
{
    (void)unused;
    port_write8(INTERRUPTS, 0);
    machine.typed = true;
    core_this()->device_fired = 1;
    core_this()->attention = 1;
}

bool serial_read(uint8_t *byte)
{
    if (!present || !(port_read8(STATUS) & STATUS_DATA))
        return false;
    *byte = port_read8(DATA);
    return true;
}

void serial_listen(void)
{
    if (present)
        port_write8(INTERRUPTS, 1);
}

void serial_init(void)
{
    port_write8(SCRATCH, 0x5a);
    present = port_read8(SCRATCH) == 0x5a;
    if (!present)
        return;
    port_write8(INTERRUPTS, 0);
    port_write8(LINE, 0x80); /* the divisor: 115,200 baud */
    port_write8(DATA, 1);
    port_write8(INTERRUPTS, 0);
    port_write8(LINE, 3); /* 8 bits, no parity */
    port_write8(FIFO, 7); /* on and emptied */
    port_write8(MODEM, 11); /* ready, and its interrupt connected */
    interrupt_register(VECTOR_SERIAL, on_interrupt, NULL);
}

static bool serial_wait(uint8_t bits)
{
    unsigned tries = stuck ? 1 : WAIT_MAX;
    stuck = false;
    while (tries--)
        if (port_read8(STATUS) & bits)
            return true;
    stuck = true;
    return false;
}

void serial_write(const char *text, size_t length)
{
    for (size_t i = 0; present && i < length; i++) {
        if (i % FIFO_BYTES == 0 && !serial_wait(STATUS_ROOM))
            return;
        port_write8(DATA, (uint8_t)text[i]);
    }
}

void serial_drain(void)
{
    if (present)
        (void)serial_wait(STATUS_EMPTY);
}

noreturn void machine_exit(unsigned value)
{
    serial_drain();
    port_write32(EXIT_PORT, value); /* QEMU: -device isa-debug-exit,iobase=0xf4,iosize=4 */
    for (;;)
        __asm__ volatile("cli\n\thlt");
}
