#include "json.h"
#include <stdlib.h>
#include <string.h>

// Writes a code point as UTF-8.
static char *put(char *to, unsigned point) {
    if (point < 0x80) {
        *to++ = (char)point;
    } else if (point < 0x800) {
        *to++ = (char)(0xc0 | point >> 6);
        *to++ = (char)(0x80 | (point & 0x3f));
    } else {
        *to++ = (char)(0xe0 | point >> 12);
        *to++ = (char)(0x80 | (point >> 6 & 0x3f));
        *to++ = (char)(0x80 | (point & 0x3f));
    }
    return to;
}

// Decodes the escape after a backslash. The gateway escapes control characters, quotes and backslashes only.
static char *escape(char *to, const char **from) {
    static const char letters[] = "nrtbf", values[] = "\n\r\t\b\f";
    char letter = *(*from)++;
    if (letter == 'u') {
        char digits[5] = {0};
        strncpy(digits, *from, 4);
        *from += strlen(digits);
        return put(to, (unsigned)strtoul(digits, NULL, 16));
    }
    const char *known = letter == '\0' ? NULL : strchr(letters, letter);
    *to++ = known == NULL ? letter : values[known - letters];
    return to;
}

// Decodes the string that begins after its quote, and moves past its end. NULL where it has none.
static char *string(const char **from) {
    char *decoded = malloc(strlen(*from) + 1), *to = decoded;
    if (decoded == NULL) abort();
    while (**from != '"') {
        if (**from == '\0') {
            free(decoded);
            return NULL;
        }
        char next = *(*from)++;
        if (next != '\\') {
            *to++ = next;
        } else {
            to = escape(to, from);
        }
    }
    *to = '\0';
    (*from)++;
    return decoded;
}

char *json_string(const char *json, const char *name) {
    const char *separators = " \t\r\n{},:";
    while (*(json += strspn(json, separators)) == '"') {
        json++;
        char *key = string(&json);
        json += strspn(json, separators);
        if (key == NULL || *json++ != '"') {
            free(key);
            return NULL;
        }
        char *value = string(&json);
        int found = strcmp(key, name) == 0;
        free(key);
        if (found) return value;
        free(value);
    }
    return NULL;
}
