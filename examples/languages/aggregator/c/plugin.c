// The aggregator in C: several services in one answer.
//
// The gateway calls `configure` once for each instance, so what it allocates lives as long as the instance. Strings that the gateway gives
// are ours to free; what is returned is freed by the generated code.

#include "gateway_plugin.h"
#include <stdlib.h>
#include <string.h>

// As many as its schema allows.
#define PARTS 8

struct part {
    char *name;
    char *url;
};

static struct part parts[PARTS];
static size_t count;

// A growing run of bytes.
struct text {
    char *bytes;
    size_t length;
};

static void add(struct text *text, const void *bytes, size_t length) {
    text->bytes = realloc(text->bytes, text->length + length + 1);
    if (text->bytes == NULL) abort();
    memcpy(text->bytes + text->length, bytes, length);
    text->length += length;
}

static void add_word(struct text *text, const char *word) { add(text, word, strlen(word)); }

static int by_name(const void *one, const void *other) {
    return strcmp(((const struct part *)one)->name, ((const struct part *)other)->name);
}

// Takes the next text of a JSON document out, and moves past it; NULL where there is none.
static char *next_text(char **json) {
    char *begin = strchr(*json, '"');
    char *end = begin == NULL ? NULL : strchr(begin + 1, '"');
    if (end == NULL) return NULL;
    *end = '\0';
    *json = end + 1;
    return begin + 1;
}

bool exports_gateway_plugin_configure_configure(plugin_string_t *problem) {
    plugin_string_t given;
    gateway_plugin_config_get(&given);
    // Kept: the parts point into it.
    char *json = strndup((const char *)given.ptr, given.len);
    plugin_string_free(&given);
    if (json == NULL) abort();
    if (strchr(json, '\\') != NULL) {
        plugin_string_dup(problem, "`parts`: names and addresses without quotes and backslashes, please");
        return false;
    }
    next_text(&json);
    for (char *name; count < PARTS && (name = next_text(&json)) != NULL; count++) {
        parts[count] = (struct part){name, next_text(&json)};
        if (parts[count].url == NULL) abort();
    }
    qsort(parts, count, sizeof *parts, by_name);
    return true;
}

// The address with the request's path in it.
static plugin_string_t filled(const char *url, plugin_string_t path) {
    struct text text = {0};
    for (const char *hole; (hole = strstr(url, "{path}")) != NULL; url = hole + strlen("{path}")) {
        add(&text, url, (size_t)(hole - url));
        add(&text, path.ptr, path.len);
    }
    add_word(&text, url);
    return (plugin_string_t){(uint8_t *)text.bytes, text.length};
}

static void ask(gateway_plugin_http_list_result_response_error_t *results) {
    plugin_string_t path;
    gateway_plugin_request_path(&path);
    gateway_plugin_http_request_t requests[PARTS] = {0};
    for (size_t at = 0; at < count; at++) {
        requests[at].method = (plugin_string_t){(uint8_t *)"GET", 3};
        requests[at].url = filled(parts[at].url, path);
    }
    plugin_string_free(&path);
    gateway_plugin_http_list_request_t list = {requests, count};
    gateway_plugin_http_fetch_all(&list, results);
    for (size_t at = 0; at < count; at++) free(requests[at].url.ptr);
}

static void add_field(gateway_plugin_types_field_t *field, const char *name, const char *value, size_t length) {
    plugin_string_dup(&field->name, name);
    plugin_string_dup_n((plugin_string_t *)&field->value, value, length);
}

void exports_gateway_plugin_handle_handle(plugin_list_u8_t *body, exports_gateway_plugin_handle_response_t *response) {
    plugin_list_u8_free(body);
    gateway_plugin_http_list_result_response_error_t results;
    ask(&results);
    struct text document = {0}, missing = {0};
    for (size_t at = 0; at < count; at++) {
        const gateway_plugin_http_result_response_error_t *result = &results.ptr[at];
        add_word(&document, at == 0 ? "{\"" : ",\"");
        add_word(&document, parts[at].name);
        add_word(&document, "\":");
        if (!result->is_err && result->val.ok.status / 100 == 2) {
            add(&document, result->val.ok.body.ptr, result->val.ok.body.len);
            continue;
        }
        add_word(&document, "null");
        if (missing.length > 0) add_word(&missing, ", ");
        add_word(&missing, parts[at].name);
    }
    add_word(&document, "}");
    gateway_plugin_http_list_result_response_error_free(&results);

    response->status = 200;
    response->headers.len = missing.length > 0 ? 2 : 1;
    response->headers.ptr = malloc(response->headers.len * sizeof *response->headers.ptr);
    if (response->headers.ptr == NULL) abort();
    add_field(&response->headers.ptr[0], "content-type", "application/json", strlen("application/json"));
    if (missing.length > 0) add_field(&response->headers.ptr[1], "x-degraded", missing.bytes, missing.length);
    free(missing.bytes);
    response->body.ptr = (uint8_t *)document.bytes;
    response->body.len = document.length;
}
