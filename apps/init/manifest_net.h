/* SPDX-License-Identifier: MIT */
/* The `net` line of a manifest: addresses, and whether two programs claim the same. */
#ifndef INIT_MANIFEST_NET_H
#define INIT_MANIFEST_NET_H

#include "manifest.h"

#define MANIFEST_REASON 160u

/* Parses the words behind `net`; false with a reason. */
bool manifest_net_parse(struct manifest_net *net, char *const *words, unsigned count,
                        char reason[MANIFEST_REASON]);

/* Another program with the same MAC or IP address, or NULL; `what` says which. */
const struct manifest_program *manifest_net_clash(const struct manifest *manifest,
                                                  const struct manifest_program *program,
                                                  char what[MANIFEST_REASON]);

#endif
