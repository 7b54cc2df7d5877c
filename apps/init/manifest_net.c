/* SPDX-License-Identifier: MIT */
/* The `net` line of a manifest. Hardware-free. */
#include "manifest_net.h"

#include <stdio.h>
#include <string.h>

#include "words.h"

/* Addresses are kept in network byte order; arithmetic on them is in this one. */
static uint32_t address_number(uint32_t address)
{
    uint8_t b[4];
    memcpy(b, &address, 4);
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Can one machine have it: not 0.x, loopback, multicast or reserved. */
static bool address_is_host(uint32_t address)
{
    uint32_t first = address_number(address) >> 24;
    return first != 0 && first != 127 && first < 224;
}

static const char *net_mac(struct manifest_net *net, const char *value)
{
    static const uint8_t none[6];
    if (!words_mac(value, net->mac))
        return "is not a MAC address like 52:54:00:12:34:56";
    if (net->mac[0] & 1)
        return "is a multicast address, not one program's";
    return memcmp(net->mac, none, 6) ? NULL : "is all zero";
}

static const char *net_ip(struct manifest_net *net, const char *value)
{
    uint64_t prefix;
    if (!strcmp(value, "dhcp")) {
        net->dhcp = true;
        return NULL;
    }
    const char *slash = strchr(value, '/');
    if (!slash || !words_address(value, (size_t)(slash - value), &net->address) ||
        !words_number(slash + 1, 30, &prefix) || prefix < 8)
        return "is not dhcp or an address like 10.0.2.16/24";
    if (!address_is_host(net->address))
        return "can't be one machine's address";
    uint32_t host = address_number(net->address) & (UINT32_MAX >> prefix);
    if (host == 0 || host == UINT32_MAX >> prefix)
        return "is the network itself or its broadcast address";
    net->prefix = (uint8_t)prefix;
    return NULL;
}

static const char *net_other(uint32_t *address, const char *value)
{
    if (!words_address(value, strlen(value), address) || !address_is_host(*address))
        return "is not an address like 10.0.2.2";
    return NULL;
}

static const char *net_word(struct manifest_net *net, const char *key, size_t length, const char *value)
{
    if (length == 3 && !memcmp(key, "mac", 3))
        return net_mac(net, value);
    if (length == 2 && !memcmp(key, "ip", 2))
        return net_ip(net, value);
    if (length == 7 && !memcmp(key, "gateway", 7))
        return net_other(&net->gateway, value);
    if (length == 3 && !memcmp(key, "dns", 3))
        return net_other(&net->dns, value);
    return "is none of mac=, ip=, gateway=, dns=, broadcast";
}

static bool reason_say(char reason[MANIFEST_REASON], const char *word, const char *text)
{
    snprintf(reason, MANIFEST_REASON, "net: \"%.40s\" %s", word, text);
    return false;
}

/* Words that fit one by one but not together. */
static bool net_whole(const struct manifest_net *net, char reason[MANIFEST_REASON])
{
    if (net->dhcp && (net->gateway || net->dns))
        return reason_say(reason, "ip=dhcp", "asks for gateway and dns too; they can't be given");
    uint32_t difference = address_number(net->address) ^ address_number(net->gateway);
    if (net->gateway && difference >> (32 - net->prefix))
        return reason_say(reason, "gateway", "is outside the program's network");
    return true;
}

bool manifest_net_parse(struct manifest_net *net, char *const *words, unsigned count,
                        char reason[MANIFEST_REASON])
{
    static const char *const once[] = {"mac=", "ip=", "gateway=", "dns=", "broadcast"};
    unsigned seen = 0;
    net->present = true;
    for (unsigned i = 0; i < count; i++) {
        for (unsigned k = 0; k < 5; k++) {
            if (strncmp(words[i], once[k], strlen(once[k])) != 0)
                continue;
            if (seen >> k & 1)
                return reason_say(reason, words[i], "is the second of its kind");
            seen |= 1u << k;
        }
        if (!strcmp(words[i], "broadcast")) {
            net->broadcast = true;
            continue;
        }
        const char *equals = strchr(words[i], '=');
        size_t length = equals ? (size_t)(equals - words[i]) : 0;
        const char *problem = net_word(net, words[i], length, equals ? equals + 1 : "");
        if (problem)
            return reason_say(reason, words[i], problem);
    }
    if ((seen & 3) != 3)
        return reason_say(reason, seen & 1 ? "ip=" : "mac=", "is missing");
    /* A DHCP server answers a client without an address by broadcast. */
    net->broadcast |= net->dhcp;
    return net_whole(net, reason);
}

const struct manifest_program *manifest_net_clash(const struct manifest *manifest,
                                                  const struct manifest_program *program,
                                                  char what[MANIFEST_REASON])
{
    for (unsigned i = 0; i < manifest->count; i++) {
        const struct manifest_program *other = &manifest->program[i];
        if (other == program || !other->net.present)
            continue;
        bool same_mac = !memcmp(other->net.mac, program->net.mac, 6);
        bool same_ip = program->net.address && other->net.address == program->net.address;
        if (!same_mac && !same_ip)
            continue;
        snprintf(what, MANIFEST_REASON, "this %s address", same_mac ? "MAC" : "IP");
        return other;
    }
    return NULL;
}
