// Command keycheck is the key check in Go: it refuses requests without a known key, and names the consumer of the others.
package main

import (
	"crypto/subtle"
	"errors"
	"strings"

	gateway "gateway.local/plugin"
)

type key struct{ consumer, key string }

var (
	header = "x-api-key"
	keys   []key
)

func init() {
	gateway.Register(gateway.Plugin{Configure: configure, OnRequest: onRequest})
}

func main() {}

func configure(config gateway.Config) error {
	written := struct{ Keys, Header string }{Header: header}
	if err := config.Decode(&written); err != nil {
		return errors.New("`keys` must be text with lines `name:key`")
	}
	header = written.Header
	separator := func(letter rune) bool { return letter == '\n' || letter == ',' }
	for _, entry := range strings.FieldsFunc(written.Keys, separator) {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		// The entry itself may be a key: no error repeats it.
		name, value, found := strings.Cut(entry, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !found {
			return errors.New("`keys`: an entry is not `name:key`")
		}
		if name == "" || value == "" {
			return errors.New("`keys`: a name or a key is empty")
		}
		keys = append(keys, key{name, value})
	}
	if len(keys) == 0 {
		return errors.New("`keys` is empty: nobody could ever be let in")
	}
	return nil
}

func onRequest() (gateway.Flow, error) {
	given, found := gateway.Request.Header(header)
	consumer := ""
	for _, key := range keys {
		// Takes as long for a wrong key as for a right one of the same length.
		if found && subtle.ConstantTimeCompare([]byte(key.key), []byte(given)) == 1 {
			consumer = key.consumer
		}
	}
	if consumer == "" {
		refusal := gateway.Problem(401, "Unauthorized", "A valid API key is required.")
		return gateway.Respond(refusal.With("www-authenticate", "ApiKey")), nil
	}
	if err := gateway.Exchange.SetAttribute("consumer", consumer); err != nil {
		return gateway.Next, err
	}
	return gateway.Next, gateway.Request.RemoveHeader(header)
}
