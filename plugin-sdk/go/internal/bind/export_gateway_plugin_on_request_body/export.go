// Package export_gateway_plugin_on_request_body has what the bindings call for this phase.
package export_gateway_plugin_on_request_body

import (
	"gateway.local/plugin/internal/bind/gateway_plugin_types"
	"gateway.local/plugin/internal/hook"
)

// OnRequestBody is the phase.
func OnRequestBody(body []byte) gateway_plugin_types.BodyFlow {
	defer hook.Done()
	return hook.OnRequestBody(body)
}
