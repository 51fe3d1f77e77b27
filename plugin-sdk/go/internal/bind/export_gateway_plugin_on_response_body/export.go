// Package export_gateway_plugin_on_response_body has what the bindings call for this phase.
package export_gateway_plugin_on_response_body

import (
	"gateway.local/plugin/internal/bind/gateway_plugin_types"
	"gateway.local/plugin/internal/hook"
)

// OnResponseBody is the phase.
func OnResponseBody(body []byte) gateway_plugin_types.BodyFlow {
	defer hook.Done()
	return hook.OnResponseBody(body)
}
