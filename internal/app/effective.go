package app

import (
	"net/url"

	"github.com/strixlabs/execution-kernel/internal/store/postgres"
)

// A Source is where the value of a setting comes from.
type Source string

// The sources, from the one that loses to all others.
const (
	FromDefault     Source = "default"
	FromFile        Source = "file"
	FromEnvironment Source = "environment"
	FromFlag        Source = "flag"
)

// An EffectiveSetting is a setting with its value and where that comes from.
type EffectiveSetting struct {
	Key    string  `json:"key"`
	Value  *string `json:"value"` // nil where nothing is set; secrets are masked
	From   Source  `json:"from"`
	At     string  `json:"at,omitzero"` // --listen; KERNEL_LISTEN; kernel.yaml:3:1; HOME
	Masked bool    `json:"masked,omitzero"`
}

// An Effective is the whole configuration.
type Effective struct {
	File     string             `json:"file,omitzero"` // the configuration file that was read
	Settings []EffectiveSetting `json:"settings"`
}

// mask stands for a secret, whatever its length.
const mask = "********"

// LoadEffective loads a configuration and says where each value comes from. It
// fails where Load fails.
func LoadEffective(s Sources) (Effective, error) {
	l, err := load(s)
	if err != nil {
		return Effective{}, err
	}
	e := Effective{File: l.file}
	for _, d := range settings {
		o, given := l.origin[d.Key]
		line := EffectiveSetting{Key: d.Key, From: FromDefault}
		switch {
		case given:
			line.From = o.from
			line.Value, line.Masked = d.show(o.text)
			if o.from != FromDefault {
				line.At = o.at
			}
		case d.Value == "":
			off := "false"
			line.Value = &off
		}
		e.Settings = append(e.Settings, line)
	}
	return e, nil
}

// show returns a value as it may be printed.
func (s Setting) show(text string) (shown *string, masked bool) {
	if s.secret {
		text = mask
		return &text, true
	}
	if postgres.IsURL(text) { // its parameters can hold a password, too
		shown := postgres.Redact(text)
		return &shown, shown != text
	}
	if u, err := url.Parse(text); err == nil && u.User != nil {
		u.User = nil
		text = u.Scheme + "://" + mask + "@" + u.Host + u.RequestURI()
		return &text, true
	}
	return &text, false
}
