// Package gateway is for plugins of `gateway` in Go.
//
//	package main
//
//	import gateway "gateway.local/plugin"
//
//	func init() {
//		gateway.Register(gateway.Plugin{
//			OnRequest: func() (gateway.Flow, error) {
//				gateway.Info("hello for %s", gateway.Request.Path())
//				return gateway.Next, nil
//			},
//		})
//	}
//
//	func main() {}
//
// A function is a phase; plugin.toml names those that are there. A phase that returns an error, or panics, has failed: the
// configuration's `on_error` decides what becomes of the request. To refuse a request is no failure: [Respond].
//
// There is no way out but this package: no files, no sockets, no environment. [Now] and [Random] are the time and randomness that there
// are, since time.Now and crypto/rand stand still. Nothing can be slept for, and no goroutine runs beside a phase.
package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"gateway.local/plugin/internal/bind/gateway_plugin_config"
	"gateway.local/plugin/internal/bind/gateway_plugin_on_complete"
	"gateway.local/plugin/internal/bind/gateway_plugin_types"
	_ "gateway.local/plugin/internal/bind/wit_exports" // the phases as the gateway calls them
	"gateway.local/plugin/internal/hook"
)

// Plugin has the phases; those that plugin.toml does not name are never called.
type Plugin struct {
	// Configure is called once for each instance. Its error refuses the configuration, and is shown to its writer.
	Configure func(config Config) error
	// OnRequest: the head has arrived.
	OnRequest func() (Flow, error)
	// OnRequestBody: the whole body, after AwaitBody.
	OnRequestBody func(body []byte) (Flow, error)
	// Handle answers in place of a service.
	Handle func(body []byte) (Answer, error)
	// OnResponse: the head of the answer is known.
	OnResponse func() (Flow, error)
	// OnResponseBody: the whole body, after AwaitBody.
	OnResponseBody func(body []byte) (Flow, error)
	// OnComplete: all was sent.
	OnComplete func(summary Summary) error
}

// Config is what JSON makes of the TOML table `config`.
type Config []byte

// Decode reads it; a key that is not known is an error.
func (config Config) Decode(into any) error {
	decoder := json.NewDecoder(bytes.NewReader(config))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return errors.New("something follows the configuration")
	}
	return nil
}

// Flow is what happens after a phase.
type Flow struct {
	kind   kind
	answer Answer
	body   []byte
}

type kind uint8

const (
	next kind = iota
	respond
	awaitBody
	replace
)

var (
	// Next goes on; a body stays as it is.
	Next = Flow{}
	// AwaitBody has the body gathered and the body phase called; of OnRequest and OnResponse.
	AwaitBody = Flow{kind: awaitBody}
)

// Respond answers with this.
func Respond(answer Answer) Flow { return Flow{kind: respond, answer: answer} }

// Replace makes this the body; of OnRequestBody and OnResponseBody.
func Replace(body []byte) Flow { return Flow{kind: replace, body: body} }

// Summary is how an exchange ended.
type Summary struct {
	// Status that was sent; 499 when the client went away before there was one.
	Status uint16
	// Duration in microseconds.
	Duration uint64
	// RequestBytes and ResponseBytes are of bodies.
	RequestBytes, ResponseBytes uint64
	// Error is the kind of failure in the words of RFC 9209 section 2.3; empty where there was none.
	Error string
}

// Register tells which plugin this is. Call it in init.
func Register(plugin Plugin) {
	hook.Configure = func() error {
		if plugin.Configure == nil {
			return nil
		}
		return plugin.Configure(Config(gateway_plugin_config.Get()))
	}
	hook.OnRequest = head(plugin.OnRequest)
	hook.OnResponse = head(plugin.OnResponse)
	hook.OnRequestBody = whole(plugin.OnRequestBody)
	hook.OnResponseBody = whole(plugin.OnResponseBody)
	hook.Handle = func(body []byte) gateway_plugin_types.Response {
		answer, err := plugin.Handle(body)
		must(err)
		return answer.lower()
	}
	hook.OnComplete = func(summary gateway_plugin_on_complete.Summary) {
		failure, _ := option(summary.Error)
		must(plugin.OnComplete(Summary{summary.Status, summary.Duration, summary.RequestBytes, summary.ResponseBytes, failure}))
	}
}

func head(phase func() (Flow, error)) func() gateway_plugin_types.Flow {
	return func() gateway_plugin_types.Flow {
		flow, err := phase()
		must(err)
		switch flow.kind {
		case next:
			return gateway_plugin_types.MakeFlowNext()
		case respond:
			return gateway_plugin_types.MakeFlowRespond(flow.answer.lower())
		case awaitBody:
			return gateway_plugin_types.MakeFlowAwaitBody()
		default:
			panic("a head phase replaces no body")
		}
	}
}

func whole(phase func(body []byte) (Flow, error)) func(body []byte) gateway_plugin_types.BodyFlow {
	return func(body []byte) gateway_plugin_types.BodyFlow {
		flow, err := phase(body)
		must(err)
		switch flow.kind {
		case next:
			return gateway_plugin_types.MakeBodyFlowNext()
		case respond:
			return gateway_plugin_types.MakeBodyFlowRespond(flow.answer.lower())
		case replace:
			return gateway_plugin_types.MakeBodyFlowReplace(flow.body)
		default:
			panic("a body phase awaits no body")
		}
	}
}

// A phase that fails is one that traps.
func must(err error) {
	if err != nil {
		Error("%s", err)
		panic(err)
	}
}
