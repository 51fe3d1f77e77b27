// The key check in C: refuses requests without a known key, and names the consumer of the others.
//
// The gateway calls `configure` once for each instance, so what it allocates lives as long as the instance. The generated
// `gateway_plugin.h` holds the gateway's functions; strings that they give are ours to free.

#include "json.h"
#include "gateway_plugin.h"
#include <stdlib.h>
#include <string.h>

struct key {
    char *consumer;
    char *key;
};

static struct key *keys;
static size_t key_count;
static char *header;

// A string of ours for the gateway: not copied, and read before the call returns.
static plugin_string_t borrow(const char *text) {
    return (plugin_string_t){(uint8_t *)text, strlen(text)};
}

static char *trim(char *text) {
    text += strspn(text, " \t\r");
    size_t length = strlen(text);
    while (length > 0 && strchr(" \t\r", text[length - 1])) text[--length] = '\0';
    return text;
}

// Takes `name:key` apart. The text itself may be a key: no error repeats it.
static const char *add(char *entry) {
    entry = trim(entry);
    if (*entry == '\0') return NULL;
    char *colon = strchr(entry, ':');
    if (colon == NULL) return "`keys`: an entry is not `name:key`";
    *colon = '\0';
    struct key key = {trim(entry), trim(colon + 1)};
    if (*key.consumer == '\0' || *key.key == '\0') return "`keys`: a name or a key is empty";
    keys = realloc(keys, (key_count + 1) * sizeof *keys);
    if (keys == NULL) abort();
    keys[key_count++] = key;
    return NULL;
}

// What is wrong with the configuration, or NULL.
static const char *read_configuration(const char *json) {
    char *text = json_string(json, "keys");
    if (text == NULL) return "`keys` must be text with lines `name:key`";
    header = json_string(json, "header");
    if (header == NULL) header = "x-api-key";
    for (char *entry = strtok(text, "\n,"); entry != NULL; entry = strtok(NULL, "\n,")) {
        const char *problem = add(entry);
        if (problem != NULL) return problem;
    }
    return key_count == 0 ? "`keys` is empty: nobody could ever be let in" : NULL;
}

bool exports_gateway_plugin_configure_configure(plugin_string_t *problem) {
    plugin_string_t given;
    gateway_plugin_config_get(&given);
    char *json = strndup((const char *)given.ptr, given.len);
    plugin_string_free(&given);
    const char *found = json == NULL ? "out of memory" : read_configuration(json);
    free(json);
    if (found != NULL) plugin_string_dup(problem, found);
    return found == NULL;
}

// Takes as long for a wrong key as for a right one of the same length.
static bool same(const char *key, plugin_string_t given) {
    if (strlen(key) != given.len) return false;
    volatile uint8_t difference = 0;
    for (size_t at = 0; at < given.len; at++) difference |= (uint8_t)key[at] ^ given.ptr[at];
    return difference == 0;
}

static const char *consumer_of(plugin_string_t given) {
    const char *consumer = NULL;
    for (size_t at = 0; at < key_count; at++) {
        if (same(keys[at].key, given)) consumer = keys[at].consumer;
    }
    return consumer;
}

static void add_field(gateway_plugin_types_field_t *field, const char *name, const char *value) {
    plugin_string_dup(&field->name, name);
    plugin_string_dup((plugin_string_t *)&field->value, value);
}

// The generated code frees what is returned, so all of it is allocated.
static void refuse(exports_gateway_plugin_on_request_flow_t *flow) {
    gateway_plugin_types_response_t *response = &flow->val.respond;
    flow->tag = GATEWAY_PLUGIN_TYPES_FLOW_RESPOND;
    response->status = 401;
    response->headers.len = 2;
    response->headers.ptr = malloc(2 * sizeof *response->headers.ptr);
    if (response->headers.ptr == NULL) abort();
    add_field(&response->headers.ptr[0], "content-type", "application/problem+json");
    add_field(&response->headers.ptr[1], "www-authenticate", "ApiKey");
    plugin_string_dup((plugin_string_t *)&response->body,
                         "{\"type\":\"about:blank\",\"title\":\"Unauthorized\",\"status\":401,"
                         "\"detail\":\"A valid API key is required.\"}");
}

void exports_gateway_plugin_on_request_on_request(exports_gateway_plugin_on_request_flow_t *flow) {
    plugin_string_t name = borrow(header), given, attribute = borrow("consumer");
    const char *consumer = NULL;
    if (gateway_plugin_request_header(&name, &given)) {
        consumer = consumer_of(given);
        plugin_string_free(&given);
    }
    if (consumer == NULL) {
        refuse(flow);
        return;
    }
    plugin_string_t value = borrow(consumer);
    gateway_plugin_types_error_t error;
    // A trap leaves it to `on_error` what becomes of the request.
    if (!gateway_plugin_exchange_set_attribute(&attribute, &value, &error)) abort();
    if (!gateway_plugin_request_remove_header(&name, &error)) abort();
    flow->tag = GATEWAY_PLUGIN_TYPES_FLOW_NEXT;
}
