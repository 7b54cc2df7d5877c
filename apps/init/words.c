/* SPDX-License-Identifier: MIT */
/* Words of a manifest line. Hardware-free, no allocation, no locale. */
#include "words.h"

#include <string.h>

static bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }
static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* One word, unquoted, to *out. Returns where it ended, or NULL with a reason. */
static const char *word_take(const char *at, const char *end, char **out, const char **reason)
{
    bool quoted = false;
    while (at < end && (quoted || !is_space(*at))) {
        char c = *at++;
        if (c == '"') {
            quoted = !quoted;
            continue;
        }
        if (c == '\\' && quoted && at < end && (*at == '"' || *at == '\\'))
            c = *at++;
        if ((unsigned char)c < 0x20 || c == 0x7f) {
            *reason = "control character";
            return NULL;
        }
        *(*out)++ = c;
    }
    *(*out)++ = '\0';
    if (quoted) {
        *reason = "missing closing quote";
        return NULL;
    }
    return at;
}

int words_split(const char *line, size_t length, char *space, char *words[MANIFEST_WORDS],
                const char **reason)
{
    const char *at = line, *end = line + length;
    unsigned count = 0;
    for (;;) {
        while (at < end && is_space(*at))
            at++;
        if (at == end || *at == '#')
            return (int)count;
        if (count == MANIFEST_WORDS) {
            *reason = "too many words in this line";
            return -1;
        }
        words[count++] = space;
        at = word_take(at, end, &space, reason);
        if (!at)
            return -1;
    }
}

bool words_number(const char *word, uint64_t max, uint64_t *value)
{
    uint64_t n = 0;
    if (!*word)
        return false;
    for (; *word; word++) {
        if (!is_digit(*word))
            return false;
        unsigned digit = (unsigned)(*word - '0');
        if (n > (UINT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *value = n;
    return n <= max;
}

bool words_size(const char *word, uint64_t *bytes)
{
    size_t length = strlen(word);
    if (length < 1 || length > 20)
        return false;
    unsigned shift = 0;
    switch (word[length - 1]) {
    case 'K': shift = 10; break;
    case 'M': shift = 20; break;
    case 'G': shift = 30; break;
    default: break;
    }
    char digits[24];
    size_t count = length - (shift ? 1 : 0);
    memcpy(digits, word, count);
    digits[count] = '\0';
    if (!words_number(digits, UINT64_MAX >> shift, bytes))
        return false;
    *bytes <<= shift;
    return true;
}

static int hex_digit(char c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool words_mac(const char *word, uint8_t mac[6])
{
    if (strlen(word) != 17)
        return false;
    for (unsigned i = 0; i < 6; i++, word += 3) {
        int high = hex_digit(word[0]), low = hex_digit(word[1]);
        if (high < 0 || low < 0 || (i < 5 && word[2] != ':'))
            return false;
        mac[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool words_address(const char *word, size_t length, uint32_t *address)
{
    uint8_t bytes[4];
    const char *end = word + length;
    for (unsigned i = 0; i < 4; i++) {
        unsigned n = 0, digits = 0;
        for (; word < end && is_digit(*word) && digits < 3; word++, digits++)
            n = n * 10 + (unsigned)(*word - '0');
        if (!digits || n > 255)
            return false;
        bytes[i] = (uint8_t)n;
        if (i < 3 && (word == end || *word++ != '.'))
            return false;
    }
    memcpy(address, bytes, 4);
    return word == end;
}

bool words_name(const char *word)
{
    size_t length = strlen(word);
    if (length < 1 || length >= MANIFEST_NAME || *word == '-')
        return false;
    for (; *word; word++)
        if (!is_digit(*word) && !(*word >= 'a' && *word <= 'z') && *word != '-')
            return false;
    return true;
}

bool words_path(const char *word)
{
    if (!*word || strlen(word) >= MANIFEST_PATH)
        return false;
    while (true) {
        size_t part = strcspn(word, "/");
        if (part == 0 || (part == 1 && word[0] == '.') || (part == 2 && word[0] == '.' && word[1] == '.'))
            return false;
        if (!word[part])
            return true;
        word += part + 1;
    }
}
