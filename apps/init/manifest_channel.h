/* SPDX-License-Identifier: MIT */
/* `channel` lines: which programs are connected, and how much finds room between them. */
#ifndef INIT_MANIFEST_CHANNEL_H
#define INIT_MANIFEST_CHANNEL_H

#include "manifest.h"

#define CHANNEL_REASON 160u

/* Adds the channel of a line's words, its first one included. False with the reason. */
bool manifest_channel_parse(struct manifest *manifest, char **words, unsigned count, unsigned line,
                            char reason[CHANNEL_REASON]);

/* Once all programs are known: finds both sides. */
bool manifest_channels_resolve(struct manifest *manifest, struct manifest_error *error);

/* Frames that a program's channels take from its limit. */
uint64_t manifest_channel_frames(const struct manifest *manifest, unsigned program);

#endif
