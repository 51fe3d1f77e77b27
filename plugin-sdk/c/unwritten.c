// Stands in place of the phases that a plugin does not write, so that everything is there to be linked. The component exports the phases
// that plugin.toml names and no others, so nobody calls these; one that is named and not written traps at its first call.

#include "gateway_plugin.h"
#include <stdlib.h>

#define UNWRITTEN __attribute__((weak))

UNWRITTEN bool exports_gateway_plugin_configure_configure(plugin_string_t *problem) {
    (void)problem;
    return true;
}

UNWRITTEN void exports_gateway_plugin_on_request_on_request(exports_gateway_plugin_on_request_flow_t *flow) {
    (void)flow;
    abort();
}

UNWRITTEN void exports_gateway_plugin_on_request_body_on_request_body(
    plugin_list_u8_t *body, exports_gateway_plugin_on_request_body_body_flow_t *flow) {
    (void)body, (void)flow;
    abort();
}

UNWRITTEN void exports_gateway_plugin_handle_handle(plugin_list_u8_t *body, exports_gateway_plugin_handle_response_t *response) {
    (void)body, (void)response;
    abort();
}

UNWRITTEN void exports_gateway_plugin_on_response_on_response(exports_gateway_plugin_on_response_flow_t *flow) {
    (void)flow;
    abort();
}

UNWRITTEN void exports_gateway_plugin_on_response_body_on_response_body(
    plugin_list_u8_t *body, exports_gateway_plugin_on_response_body_body_flow_t *flow) {
    (void)body, (void)flow;
    abort();
}

UNWRITTEN void exports_gateway_plugin_on_complete_on_complete(exports_gateway_plugin_on_complete_summary_t *summary) {
    (void)summary;
    abort();
}
