// Package hook has what the exports call: the functions of the plugin that was registered.
package hook

import (
	"gateway.local/plugin/internal/bind/gateway_plugin_on_complete"
	"gateway.local/plugin/internal/bind/gateway_plugin_types"
	"gateway.local/plugin/internal/wit/runtime"
)

// The functions, which take and give what bindings have.
var (
	Configure      func() error
	OnRequest      func() gateway_plugin_types.Flow
	OnRequestBody  func(body []byte) gateway_plugin_types.BodyFlow
	Handle         func(body []byte) gateway_plugin_types.Response
	OnResponse     func() gateway_plugin_types.Flow
	OnResponseBody func(body []byte) gateway_plugin_types.BodyFlow
	OnComplete     func(summary gateway_plugin_on_complete.Summary)
)

// Done ends a phase: what it was given is no longer held for the gateway.
func Done() { runtime.Unpin() }
