/* SPDX-License-Identifier: MIT */
/*
 * The kernel's own messages: a small printf over the serial port. Programs' output
 * does not come this way.
 */
#include "internal.h"

#define LINE_BYTES 256u

struct output {
    char text[LINE_BYTES];
    size_t length;
};

static void output_flush(struct output *output)
{
    serial_write(output->text, output->length);
    output->length = 0;
}

static void output_char(struct output *output, char c)
{
    if (output->length == LINE_BYTES)
        output_flush(output);
    output->text[output->length++] = c;
}

struct format {
    unsigned width, precision;
    bool zero, left, has_precision;
};

static void output_padded(struct output *output, const char *text, size_t length, const struct format *format)
{
    size_t pad = format->width > length ? format->width - length : 0;
    for (; pad && !format->left; pad--)
        output_char(output, ' ');
    for (size_t i = 0; i < length; i++)
        output_char(output, text[i]);
    for (; pad; pad--)
        output_char(output, ' ');
}

static void output_number(struct output *output, uint64_t value, unsigned base, bool negative,
                          const struct format *format)
{
    char digits[24];
    size_t at = sizeof digits;
    do {
        digits[--at] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    unsigned width = format->width < 20 ? format->width : 20;
    while (format->zero && sizeof digits - at + negative < width)
        digits[--at] = '0';
    if (negative)
        digits[--at] = '-';
    output_padded(output, digits + at, sizeof digits - at, format);
}

static void output_string(struct output *output, const char *text, const struct format *format)
{
    size_t length = 0, most = format->has_precision ? format->precision : 4096;
    if (text == NULL)
        text = "(null)";
    while (length < most && text[length])
        length++;
    output_padded(output, text, length, format);
}

static const char *number_parse(const char *at, unsigned *value)
{
    for (*value = 0; *at >= '0' && *at <= '9'; at++)
        *value = *value * 10 + (unsigned)(*at - '0');
    return at;
}

static const char *format_parse(const char *at, struct format *format, va_list *arguments)
{
    *format = (struct format){0};
    for (; *at == '0' || *at == '-'; at++) {
        format->zero |= *at == '0';
        format->left |= *at == '-';
    }
    at = number_parse(at, &format->width);
    if (*at == '.') {
        format->has_precision = true;
        if (at[1] == '*') {
            int precision = va_arg(*arguments, int);
            format->precision = precision < 0 ? 0 : (unsigned)precision;
            return at + 2;
        }
        at = number_parse(at + 1, &format->precision);
    }
    return at;
}

static void output_signed(struct output *output, int64_t value, const struct format *format)
{
    output_number(output, value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10, value < 0, format);
}

void console_vprintf(const char *at, va_list passed)
{
    struct output output;
    struct format format;
    va_list arguments;

    output.length = 0;
    va_copy(arguments, passed);
    for (; *at; at++) {
        if (*at != '%') {
            output_char(&output, *at);
            continue;
        }
        at = format_parse(at + 1, &format, &arguments);
        bool wide = *at == 'l' || *at == 'z';
        while (*at == 'l' || *at == 'z')
            at++;
        if (*at == 0)
            break;
        if (*at == 's')
            output_string(&output, va_arg(arguments, const char *), &format);
        else if (*at == 'c')
            output_char(&output, (char)va_arg(arguments, int));
        else if (*at == 'd' || *at == 'i')
            output_signed(&output, wide ? va_arg(arguments, long) : va_arg(arguments, int), &format);
        else if (*at == 'u' || *at == 'x')
            output_number(&output, wide ? va_arg(arguments, unsigned long) : va_arg(arguments, unsigned),
                          *at == 'x' ? 16 : 10, false, &format);
        else if (*at == 'p')
            output_number(&output, (uint64_t)va_arg(arguments, void *), 16, false, &format);
        else
            output_char(&output, *at);
    }
    va_end(arguments);
    output_flush(&output);
}

void console_printf(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    console_vprintf(format, arguments);
    va_end(arguments);
}
