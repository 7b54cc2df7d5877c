/* SPDX-License-Identifier: MIT */
/* What the raw queue's opening shares with its running. */
#ifndef LIBOS_NETQUEUE_INTERNAL_H
#define LIBOS_NETQUEUE_INTERNAL_H

#include <libos/netqueue.h>

#define CELLS_SMALL 4u /* of the smaller kind of plan slot; NETQUEUE_PLAN_CELLS of the larger */
#define POST_BATCH 8u  /* reposts that are worth a plan of their own */

/* The targets of plans, receives and sends. */
void netqueue_plan_told(struct completion_target *self, const struct exo_completion *completion);
void netqueue_buffer_done(struct completion_target *self, const struct exo_completion *completion);
void netqueue_send_done(struct completion_target *self, const struct exo_completion *completion);

#endif
