/* SPDX-License-Identifier: MIT */
/*
 * Children that will not give their memory back. Each says which frames it holds on to (the first of LIFE_PAGES) and how many of them it
 * still has as owned ones, and goes on using them, whatever becomes of them.
 */
#ifndef ATTACKS_RECLAIM_LIVES_H
#define ATTACKS_RECLAIM_LIVES_H

#include "asked.h"

#define LIFE_PAGES 64u
#define LIFE_MEMORY 0x710000000000ull   /* above all that a copy has */
#define LIFE_EVIL 0x4556494c4556494cull /* what it writes */

/* A queue, and an end of a channel to another child: set before it is copied. */
extern uint32_t life_queue, life_pipe;

/* They write on, and count the pages that are gone: what they exit with. */
void writes_on(uint64_t n);
void never_answers(uint64_t n);
void lies_about_spare(uint64_t n);
void freezes(uint64_t n);
void sends_packets(uint64_t n);
void large_page(uint64_t n);
void many_tables(uint64_t n);
/* They see for themselves whether they are held off: exit with the number of tries that went through. */
void takes_again(uint64_t n);
void names_what_was_lost(uint64_t n);
void frees_others(uint64_t n);
void maps_kernel_pages(uint64_t n);
/* They put their frames where force does not reach, and sleep. */
void maps_twice(uint64_t n);
void posts_to_device(uint64_t n);
void makes_tables(uint64_t n);
void makes_slots(uint64_t n);
void sends_to_itself(uint64_t n);
void waits_in_full_channel(uint64_t n);
void reserves(uint64_t n);
void hoards_in_child(uint64_t n);
/* They answer, in their own way. */
void gives_to_child(uint64_t n);
void gives_to_friend(uint64_t n);
void ends_when_asked(uint64_t n);
/* The friend: takes what comes, and writes on there. */
void friend_takes(uint64_t n);

/* ---- of all of them ------------------------------------------------------------------------------- */

#define RW (EXO_READ | EXO_WRITE)
#define SECOND (LIFE_MEMORY + 256 * PAGE)   /* another place for the same pages */
#define TABLES_AT (LIFE_MEMORY + (8ull << 21)) /* nothing but a table of level 2 is there */
#define CONTROL ((volatile struct exo_control *)LIBOS_CONTROL)
#define INFO ((const volatile struct exo_info *)LIBOS_INFO)

extern uint64_t life_frames; /* the first of LIFE_PAGES frames, mapped at LIFE_MEMORY */
extern uint64_t life_wrong;  /* tries that should have ended otherwise */

void life_take(void);
void life_unmap(void);
void life_ready(uint64_t still_owned);
/* Force has taken something; that page. */
bool life_robbed(void);
bool life_listed(uint64_t address);
void life_rest(uint64_t us);
/* Touches its pages until a while behind its loss, and exits with how many were gone. */
_Noreturn void life_touch(void);

#endif
