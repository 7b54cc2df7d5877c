/* SPDX-License-Identifier: MIT */
/* What init says, and how it ends the machine. Needs no libc file, so it works when nothing else does. */
#ifndef INIT_SAY_H
#define INIT_SAY_H

#include <exo/abi.h>

/* One line on the console, cut at its limit of characters. */
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Ends the machine with EXO_POWER_... */
_Noreturn void power_off(unsigned value);

/* say() and power_off(EXO_POWER_BOOT): the machine can't be set up as the manifest wants. */
_Noreturn void give_up(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
