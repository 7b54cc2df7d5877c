/* SPDX-License-Identifier: MIT */
/* Prefixes and opcodes of x86-64 (Intel SDM vol. 2, appendix A). */
#include "decode.h"

#include <stdbool.h>

struct prefixes {
    bool repeat, segment;
};

static size_t prefixes_read(const uint8_t *bytes, size_t size, struct prefixes *found)
{
    size_t at = 0;
    *found = (struct prefixes){false, false};
    for (; at + 1 < size; at++) {
        uint8_t b = bytes[at];
        if (b == 0xf2 || b == 0xf3)
            found->repeat = true;
        else if (b == 0x64 || b == 0x65)
            found->segment = true;
        else if (b != 0x66 && b != 0x67 && b != 0x2e && b != 0x36 && b != 0x3e && b != 0x26 &&
                 b != 0xf0 && (b & 0xf0) != 0x40)
            break;
    }
    return at;
}

/* Does the operand lie in memory, and not on the stack? */
static bool operand_in_memory(const uint8_t *modrm, size_t size)
{
    if (size < 1 || modrm[0] >> 6 == 3)
        return false;
    unsigned mod = modrm[0] >> 6, rm = modrm[0] & 7;
    if (rm == 4)
        return size > 1 && (modrm[1] & 7) != 4;
    return !(rm == 5 && mod != 0);
}

static unsigned decode_two_bytes(const uint8_t *bytes, size_t size, bool segment)
{
    if (size < 1)
        return 0;
    switch (bytes[0]) {
    case 0x05:
        return KIND_SYSCALL;
    case 0x22:
        return size > 1 && (bytes[1] >> 3 & 7) == 3 ? KIND_CR3 : 0;
    case 0xb6: case 0xb7: case 0xbe: case 0xbf:
        return !segment && operand_in_memory(bytes + 1, size - 1) ? KIND_MOVE : 0;
    default:
        return 0;
    }
}

unsigned decode_kind(const uint8_t *bytes, size_t size)
{
    struct prefixes prefixes;
    size_t at = prefixes_read(bytes, size, &prefixes);
    if (at >= size)
        return 0;
    uint8_t code = bytes[at];
    const uint8_t *rest = bytes + at + 1;
    size_t left = size - at - 1;
    if (code == 0x0f)
        return decode_two_bytes(rest, left, prefixes.segment);
    if (code == 0xf4)
        return KIND_HLT;
    if (code == 0xcf)
        return KIND_IRET;
    if (code >= 0x6c && code <= 0x6f)
        return KIND_PORT | (prefixes.repeat ? KIND_REP : 0);
    if ((code >= 0xe4 && code <= 0xe7) || (code >= 0xec && code <= 0xef))
        return KIND_PORT;
    if (code >= 0xa4 && code <= 0xaf && code != 0xa8 && code != 0xa9)
        return prefixes.repeat ? KIND_REP : 0;
    if ((code >= 0x88 && code <= 0x8b) || code == 0xc6 || code == 0xc7)
        return !prefixes.segment && operand_in_memory(rest, left) ? KIND_MOVE : 0;
    return 0;
}
