package gateway

import (
	"encoding/json"
	"fmt"

	"gateway.local/plugin/internal/bind/gateway_plugin_exchange"
	"gateway.local/plugin/internal/bind/gateway_plugin_request"
	"gateway.local/plugin/internal/bind/gateway_plugin_response"
	"gateway.local/plugin/internal/bind/gateway_plugin_types"
	"gateway.local/plugin/internal/wit/types"
)

// Field is one line of a head.
type Field = gateway_plugin_types.Field

// Answer is a whole response: of a plugin to the client, or of a service to a plugin.
type Answer struct {
	// Status is 200 to 599.
	Status uint16
	// Headers in order.
	Headers []Field
	Body    []byte
}

// Text is a plain answer.
func Text(status uint16, text string) Answer {
	return Answer{Status: status, Body: []byte(text)}.With("content-type", "text/plain; charset=utf-8")
}

// JSON is an answer with a document.
func JSON(status uint16, document any) (Answer, error) {
	body, err := json.Marshal(document)
	return Answer{Status: status, Body: body}.With("content-type", "application/json"), err
}

// Problem is an answer with problem details (RFC 9457).
func Problem(status uint16, title, detail string) Answer {
	document := struct {
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status uint16 `json:"status"`
		Detail string `json:"detail"`
	}{"about:blank", title, status, detail}
	// Texts and a number always are JSON.
	answer, _ := JSON(status, document)
	answer.Headers[0].Value = []byte("application/problem+json")
	return answer
}

// With is the answer with one more field.
func (answer Answer) With(name, value string) Answer {
	answer.Headers = append(answer.Headers, Field{Name: name, Value: []byte(value)})
	return answer
}

// OK tells whether the status is 2xx.
func (answer Answer) OK() bool { return answer.Status >= 200 && answer.Status < 300 }

// Header is the first line of this name.
func (answer Answer) Header(name string) (string, bool) {
	for _, field := range answer.Headers {
		if field.Name == name {
			return string(field.Value), true
		}
	}
	return "", false
}

func (answer Answer) lower() gateway_plugin_types.Response {
	return gateway_plugin_types.Response{Status: answer.Status, Headers: answer.Headers, Body: answer.Body}
}

type (
	requestOf  struct{}
	responseOf struct{}
	exchangeOf struct{}
)

var (
	// Request is the request. What its setters change goes to the service.
	Request requestOf
	// Response is the response, in the response phases.
	Response responseOf
	// Exchange is the exchange of both.
	Exchange exchangeOf
)

func (requestOf) Method() string    { return gateway_plugin_request.Method() }
func (requestOf) Scheme() string    { return gateway_plugin_request.Scheme() }
func (requestOf) Authority() string { return gateway_plugin_request.Authority() }
func (requestOf) Path() string      { return gateway_plugin_request.Path() }
func (requestOf) Query() string     { return gateway_plugin_request.Query() }
func (requestOf) Headers() []Field  { return gateway_plugin_request.Headers() }
func (requestOf) SetMethod(method string) error {
	return done(gateway_plugin_request.SetMethod(method))
}
func (requestOf) SetPath(path string) error   { return done(gateway_plugin_request.SetPath(path)) }
func (requestOf) SetQuery(query string) error { return done(gateway_plugin_request.SetQuery(query)) }

// Header is the field's value, several lines joined.
func (requestOf) Header(name string) (string, bool) {
	return option(gateway_plugin_request.Header(name))
}

// HeaderValues are the field's lines.
func (requestOf) HeaderValues(name string) [][]byte { return gateway_plugin_request.HeaderValues(name) }
func (requestOf) SetHeader(name, value string) error {
	return done(gateway_plugin_request.SetHeader(name, value))
}
func (requestOf) AppendHeader(name, value string) error {
	return done(gateway_plugin_request.AppendHeader(name, value))
}
func (requestOf) RemoveHeader(name string) error {
	return done(gateway_plugin_request.RemoveHeader(name))
}

// TakeHeader is Header and RemoveHeader in one call: what is meant for this plugin and not for the service.
func (requestOf) TakeHeader(name string) (string, bool, error) {
	taken, err := value(gateway_plugin_request.TakeHeader(name))
	if err != nil {
		return "", false, err
	}
	text, found := option(taken)
	return text, found, nil
}

func (responseOf) Status() uint16   { return gateway_plugin_response.Status() }
func (responseOf) Headers() []Field { return gateway_plugin_response.Headers() }
func (responseOf) SetStatus(status uint16) error {
	return done(gateway_plugin_response.SetStatus(status))
}

// Header is the field's value, several lines joined.
func (responseOf) Header(name string) (string, bool) {
	return option(gateway_plugin_response.Header(name))
}

// HeaderValues are the field's lines.
func (responseOf) HeaderValues(name string) [][]byte {
	return gateway_plugin_response.HeaderValues(name)
}
func (responseOf) SetHeader(name, value string) error {
	return done(gateway_plugin_response.SetHeader(name, value))
}
func (responseOf) AppendHeader(name, value string) error {
	return done(gateway_plugin_response.AppendHeader(name, value))
}
func (responseOf) RemoveHeader(name string) error {
	return done(gateway_plugin_response.RemoveHeader(name))
}

func (exchangeOf) ID() string            { return gateway_plugin_exchange.Id() }
func (exchangeOf) Route() string         { return gateway_plugin_exchange.Route() }
func (exchangeOf) ClientAddress() string { return gateway_plugin_exchange.ClientAddress() }

// Param is what the route's path captured under this name.
func (exchangeOf) Param(name string) (string, bool) {
	return option(gateway_plugin_exchange.Param(name))
}

// Attribute is one of this plugin's own, one of all (consumer, claims, groups), or another's as plugin/name.
func (exchangeOf) Attribute(name string) (string, bool) {
	return option(gateway_plugin_exchange.Attribute(name))
}

// SetAttribute keeps what later phases and plugins read.
func (exchangeOf) SetAttribute(name, value string) error {
	return done(gateway_plugin_exchange.SetAttribute(name, value))
}

// Identify names who asks: consumer, claims (a JSON object) and groups (a JSON list) all at once; what is empty is absent. It needs the grant identity.
func (exchangeOf) Identify(consumer, claims, groups string) error {
	return done(gateway_plugin_exchange.Identify(consumer, claims, groups))
}

// SetUpstream sends this exchange to another upstream.
func (exchangeOf) SetUpstream(name string) error {
	return done(gateway_plugin_exchange.SetUpstream(name))
}

func option[T any](value types.Option[T]) (T, bool) {
	if value.Tag() == types.OptionSome {
		return value.Some(), true
	}
	var none T
	return none, false
}

func done(result types.Result[types.Unit, gateway_plugin_types.Error]) error {
	_, err := value(result)
	return err
}

func value[T any](result types.Result[T, gateway_plugin_types.Error]) (T, error) {
	if result.Tag() == types.ResultOk {
		return result.Ok(), nil
	}
	var none T
	return none, failure(result.Err())
}

func failure(reason gateway_plugin_types.Error) error {
	switch reason.Tag() {
	case gateway_plugin_types.ErrorDenied:
		return fmt.Errorf("denied: %s", reason.Denied())
	case gateway_plugin_types.ErrorInvalid:
		return fmt.Errorf("invalid: %s", reason.Invalid())
	case gateway_plugin_types.ErrorTooLarge:
		return fmt.Errorf("too large: %s", reason.TooLarge())
	case gateway_plugin_types.ErrorFailed:
		return fmt.Errorf("failed: %s", reason.Failed())
	default:
		return fmt.Errorf("there is no such thing in this phase")
	}
}
