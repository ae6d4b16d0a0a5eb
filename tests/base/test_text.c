/* base/text: conversions, cut or sent where the buffer is full. */
#include "base/text.h"
#include "kit/kit.h"

#include <string.h>
#include <unistd.h>

static const char *formatted(char *bytes, size_t capacity, const char *format, ...)
{
    struct th_text text = {.bytes = bytes, .capacity = capacity - 1, .fd = -1};
    va_list args;
    va_start(args, format);
    th_text_add_list(&text, format, args);
    va_end(args);
    bytes[text.length] = '\0';
    return bytes;
}

TEST(text_knows_its_conversions)
{
    char bytes[64];
    CHECK_STR_EQ(formatted(bytes, sizeof bytes, "%s %d %u %lx %c%%", "a", -7, 7u, 255ul, 'z'), "a -7 7 ff z%");
    CHECK_STR_EQ(formatted(bytes, sizeof bytes, "[%5d] [%3s] [%2lu]", -7, "x", 123ul), "[   -7] [  x] [123]");
    CHECK_STR_EQ(formatted(bytes, sizeof bytes, "%ld %s", (long)INT64_MIN, (char *)NULL),
                 "-9223372036854775808 (null)");
    CHECK_STR_EQ(formatted(bytes, sizeof bytes, "%q"), "%q");
}

TEST(text_without_a_descriptor_is_cut)
{
    char bytes[6];
    CHECK_STR_EQ(formatted(bytes, sizeof bytes, "%s", "123456789"), "12345");
}

TEST(text_with_a_descriptor_is_sent_when_it_is_full)
{
    int ends[2];
    char bytes[4], got[64] = "";
    CHECK_EQ(pipe(ends), 0);
    struct th_text text = {.bytes = bytes, .capacity = sizeof bytes, .fd = ends[1]};
    th_text_add(&text, "%s and %s", "one", "two");
    CHECK_EQ(th_text_send(&text), 0);
    CHECK_EQ(read(ends[0], got, sizeof got - 1), 11);
    CHECK_STR_EQ(got, "one and two");
    close(ends[0]);
    close(ends[1]);
}

TEST(text_quotes_what_json_wants_quoted)
{
    char bytes[64];
    struct th_text text = {.bytes = bytes, .capacity = sizeof bytes - 1, .fd = -1};
    th_text_quote(&text, "a\"b\\c\n");
    bytes[text.length] = '\0';
    CHECK_STR_EQ(bytes, "\"a\\\"b\\\\c\\u000a\"");
}
