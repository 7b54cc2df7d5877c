/* SPDX-License-Identifier: MIT */
/* `channel NAME from PROGRAM to PROGRAM [places N] [frames N]`. Hardware-free. */
#include "manifest_channel.h"

#include <exo/abi.h>
#include <stdio.h>
#include <string.h>

#include "words.h"

#define PLACES 16u /* if the line does not say */

static bool option(struct manifest_channel *channel, const char *word, const char *value, char *reason)
{
    bool places = !strcmp(word, "places");
    uint64_t most = places ? EXO_CHANNEL_PLACES : EXO_CHANNEL_FRAMES, number;
    if (!places && strcmp(word, "frames") != 0) {
        snprintf(reason, CHANNEL_REASON, "unknown word \"%.40s\"", word);
        return false;
    }
    if (!words_number(value, most, &number) || (places && !number)) {
        snprintf(reason, CHANNEL_REASON, "%s must be %u to %u, not \"%.40s\"", word, places, (unsigned)most, value);
        return false;
    }
    *(places ? &channel->places : &channel->frames) = (unsigned)number;
    return true;
}

static const struct manifest_channel *channel_named(const struct manifest *manifest, const char *name)
{
    for (unsigned i = 0; i < manifest->channel_count; i++)
        if (!strcmp(manifest->channel[i].name, name))
            return &manifest->channel[i];
    return NULL;
}

bool manifest_channel_parse(struct manifest *manifest, char **words, unsigned count, unsigned line,
                            char reason[CHANNEL_REASON])
{
    const struct manifest_channel *other = channel_named(manifest, words[1]);
    snprintf(reason, CHANNEL_REASON, "channel NAME from PROGRAM to PROGRAM, then places N, frames N");
    if (count % 2 || strcmp(words[2], "from") != 0 || strcmp(words[4], "to") != 0)
        return false;
    snprintf(reason, CHANNEL_REASON, "names have 1 to 15 of a-z, 0-9 and '-'");
    if (!words_name(words[1]) || !words_name(words[3]) || !words_name(words[5]))
        return false;
    snprintf(reason, CHANNEL_REASON, "channel %s is there already, in line %u", words[1], other ? other->line : 0);
    if (other)
        return false;
    snprintf(reason, CHANNEL_REASON, "more than %u channels", MANIFEST_CHANNELS);
    if (manifest->channel_count == MANIFEST_CHANNELS)
        return false;
    struct manifest_channel *channel = &manifest->channel[manifest->channel_count++];
    *channel = (struct manifest_channel){.line = line, .places = PLACES};
    memcpy(channel->name, words[1], strlen(words[1]) + 1);
    memcpy(channel->from, words[3], strlen(words[3]) + 1);
    memcpy(channel->to, words[5], strlen(words[5]) + 1);
    for (unsigned i = 6; i < count; i += 2)
        if (!option(channel, words[i], words[i + 1], reason))
            return false;
    return true;
}

static unsigned program_index(const struct manifest *manifest, const char *name)
{
    unsigned i = 0;
    while (i < manifest->count && strcmp(manifest->program[i].name, name) != 0)
        i++;
    return i;
}

bool manifest_channels_resolve(struct manifest *manifest, struct manifest_error *error)
{
    unsigned ends[MANIFEST_PROGRAMS] = {0};
    for (unsigned i = 0; i < manifest->channel_count; i++) {
        struct manifest_channel *channel = &manifest->channel[i];
        channel->sender = program_index(manifest, channel->from);
        channel->receiver = program_index(manifest, channel->to);
        error->line = channel->line;
        if (channel->sender == manifest->count || channel->receiver == manifest->count) {
            bool sender = channel->sender == manifest->count;
            snprintf(error->text, sizeof(error->text), "there is no program \"%s\"", sender ? channel->from : channel->to);
            return false;
        }
        if (++ends[channel->sender] > MANIFEST_ENDS || ++ends[channel->receiver] > MANIFEST_ENDS) {
            snprintf(error->text, sizeof(error->text), "a program with more than %u ends of channels", MANIFEST_ENDS);
            return false;
        }
    }
    return true;
}

uint64_t manifest_channel_frames(const struct manifest *manifest, unsigned program)
{
    uint64_t frames = 0;
    for (unsigned i = 0; i < manifest->channel_count; i++)
        if (manifest->channel[i].receiver == program)
            frames += 1 + manifest->channel[i].places * manifest->channel[i].frames;
    return frames;
}
