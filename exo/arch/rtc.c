/* SPDX-License-Identifier: MIT */
/*
 * Wall-clock time from the CMOS clock, taken to be UTC. Read once at boot; a
 * program that wants better has NTP and its own opinion.
 */
#include "internal.h"
#include "x86.h"

enum { SECOND = 0, MINUTE = 2, HOUR = 4, DAY = 7, MONTH = 8, YEAR = 9, STATUS_A = 10, STATUS_B = 11 };

static uint8_t cmos_read(uint8_t reg)
{
    port_write8(0x70, reg | 0x80); /* bit 7: NMI stays off meanwhile, as everybody does */
    return port_read8(0x71);
}

struct reading {
    uint8_t second, minute, hour, day, month, year, century;
};

static struct reading reading_take(uint8_t century_register)
{
    /* Bit 7 of A: an update is under way, for 2 ms at most. */
    for (unsigned i = 0; i < 10000 && cmos_read(STATUS_A) & 0x80; i++)
        __asm__ volatile("pause");
    return (struct reading){
        cmos_read(SECOND), cmos_read(MINUTE), cmos_read(HOUR), cmos_read(DAY), cmos_read(MONTH),
        cmos_read(YEAR), century_register ? cmos_read(century_register) : 0,
    };
}

static unsigned from_bcd(unsigned value) { return (value >> 4) * 10 + (value & 15); }

/* Days from 1970-01-01 to a date of the Gregorian calendar. */
static uint64_t days_since_1970(unsigned year, unsigned month, unsigned day)
{
    /* Years that begin in March put the leap day last. */
    unsigned y = month <= 2 ? year - 1 : year;
    unsigned m = month <= 2 ? month + 9 : month - 3;
    uint64_t days = y * 365ull + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + day - 1;
    return days - 719468;
}

uint64_t rtc_read(uint8_t century_register)
{
    struct reading a = reading_take(century_register);
    for (unsigned i = 0; i < 8; i++) {
        struct reading b = reading_take(century_register);
        bool same = a.second == b.second && a.minute == b.minute && a.hour == b.hour && a.day == b.day;
        a = b;
        if (same)
            break;
    }
    uint8_t status = cmos_read(STATUS_B);
    (void)cmos_read(13); /* leaves the index at a harmless register */
    port_write8(0x70, 13);
    unsigned hour = a.hour & 0x7f, afternoon = a.hour & 0x80;
    unsigned field[6] = {a.second, a.minute, hour, a.day, a.month, a.year};
    unsigned century = a.century;
    if (!(status & 4)) {
        for (unsigned i = 0; i < 6; i++)
            field[i] = from_bcd(field[i]);
        century = from_bcd(century);
    }
    if (!(status & 2)) /* 12 hours: 12 is 0 */
        field[2] = field[2] % 12 + (afternoon ? 12 : 0);
    if (field[0] > 60 || field[1] > 59 || field[2] > 23 || field[3] < 1 || field[3] > 31 ||
        field[4] < 1 || field[4] > 12 || field[5] > 99)
        return 0; /* no clock there, or its battery is empty */
    unsigned year = (century >= 19 && century <= 29 ? century : 20) * 100 + field[5];
    if (year < 1970)
        return 0;
    return days_since_1970(year, field[4], field[3]) * 86400 + field[2] * 3600ull + field[1] * 60 + field[0];
}
