package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/strixlabs/execution-kernel"
	"github.com/strixlabs/execution-kernel/client"
	"github.com/strixlabs/execution-kernel/internal/app"
	"github.com/strixlabs/execution-kernel/internal/canonical"
	"github.com/strixlabs/execution-kernel/internal/registry"
)

// A registration is what somebody wants to be so of one agent, person or
// service.
type registration struct {
	kind, owner         string
	attributes, unset   []string
	groups, roles       []string
	capability, dropped string
	actions, resources  []string
	limits              []string
	expires             time.Duration
	lend                int
	options             client.ApplyOptions
	said                func(flag string) bool
	asJSON              bool
}

func (c *cli) agentsAddCommand() *cobra.Command {
	r := registration{}
	cmd := &cobra.Command{
		Use:   "add ID",
		Short: "Register an agent, a person or a service",
		Long:  "Register an agent, a person or a service, and show what is different. It holds\nfrom the moment that the command returns, and is recorded with the reason.",
		Example: `  kernel agents add agent-001 --owner person-001 --attribute role=sre --capability ship --action deploy --resource 'service=svc/*'
  kernel agents add person-001 --kind person --role lead --dry-run`,
		Args: arguments(1, 1, "ID"),
	}
	cmd.Flags().StringVar(&r.kind, "kind", string(registry.Agent), "what it is, an `agent|person|service`")
	c.register(cmd, &r)
	return cmd
}

func (c *cli) agentsSetCommand() *cobra.Command {
	r := registration{}
	cmd := &cobra.Command{
		Use:   "set ID",
		Short: "Change what is registered of an agent, a person or a service",
		Long: `Change what is registered of an agent, a person or a service, and show what is
different. What no flag names stays as it is; --group and --role name all of them.
It is recorded with the reason, and fails when somebody else changes the registry
meanwhile. "kernel agents suspend", "resume" and "retire" change the status.`,
		Example: "  kernel agents set agent-001 --attribute role=junior --drop-capability ship --reason 'incident 42'",
		Args:    arguments(1, 1, "ID"),
	}
	cmd.Flags().StringArrayVar(&r.unset, "unset", nil, "take an `ATTRIBUTE` away; may be repeated")
	cmd.Flags().StringVar(&r.dropped, "drop-capability", "", "take a `CAPABILITY` away, and what was lent of it")
	c.register(cmd, &r)
	return cmd
}

// register adds what both commands have.
func (c *cli) register(cmd *cobra.Command, r *registration) {
	adds := cmd.Name() == "add"
	cmd.RunE = c.connected(func(ctx context.Context, k *client.Client, args []string) error {
		r.said = cmd.Flags().Changed
		document, err := r.document(ctx, k, args[0], adds)
		if err != nil {
			return err
		}
		changes, err := k.ApplyRegistry(ctx, document, r.options)
		if err != nil {
			return err
		}
		if r.asJSON {
			return c.printJSON(changes)
		}
		return c.printChanges(changes)
	})
	settingFlags(cmd, "server", "token", "token-file", "data")
	f := cmd.Flags()
	f.StringVar(&r.owner, "owner", "", "who answers for it, an `ID`; empty: nobody")
	f.StringArrayVar(&r.attributes, "attribute", nil, "a trusted attribute, `NAME=VALUE`; the value as in JSON, or else a text; may be repeated")
	f.StringArrayVar(&r.groups, "group", nil, "a `GROUP` it is in; may be repeated")
	f.StringArrayVar(&r.roles, "role", nil, "a `ROLE` it has; may be repeated")
	f.StringVar(&r.capability, "capability", "", "the `NAME` of a capability of an agent, which the next five flags describe")
	f.StringArrayVar(&r.actions, "action", nil, "an action, a `PATTERN`: a name, or the beginning of one and a *; may be repeated")
	f.StringArrayVar(&r.resources, "resource", nil, "a resource, `TYPE=ID`, both patterns; may be repeated")
	limitFlag(f, &r.limits)
	f.DurationVar(&r.expires, "expires", 0, "how long the capability lasts, a `DURATION` such as 8h (default: for ever)")
	f.IntVar(&r.lend, "lend", 0, "how many `TIMES` in a row it may be lent on")
	f.StringVar(&r.options.Reason, "reason", "", "why, for people: recorded `TEXT`")
	f.BoolVar(&r.options.DryRun, "dry-run", false, "show what would change, and change nothing")
	jsonFlag(cmd, &r.asJSON)
}

// registrySections are the members of a registry document, by kind.
var registrySections = map[string]string{string(registry.Agent): "agents", string(registry.Person): "people", string(registry.Service): "services"}

// document is a registry document about one id alone, made of what is
// registered now. It is applied only while that is so.
func (r *registration) document(ctx context.Context, k *client.Client, id string, adds bool) ([]byte, error) {
	version, data, err := k.Registry(ctx)
	if err != nil {
		return nil, err
	}
	r.options.IfVersion = &version
	tree, err := kernel.DecodeJSON(data)
	if err != nil {
		return nil, fmt.Errorf("read the registry: %w", err)
	}
	top, _ := tree.(map[string]any)
	kind, about, ids := find(top, id)
	switch {
	case adds && kind != "":
		return nil, misuse("the registry has %q already, as %s", id, kind).WithHint("\"kernel agents set %s\" changes it", id)
	case !adds && kind == "":
		return nil, unknownAgent(id, ids)
	case adds && registrySections[r.kind] == "":
		return nil, misuse("--kind is agent, person or service")
	case adds:
		kind = r.kind
	}
	delete(about, "status") // what is not said is kept
	if err := r.change(about); err != nil {
		return nil, err
	}
	document, ok := canonical.AppendValue(nil, map[string]any{"registry": registry.Format, registrySections[kind]: map[string]any{id: about}})
	if !ok {
		return nil, misuse("an attribute holds what JSON cannot")
	}
	return document, nil
}

// find returns the kind of an id and what is registered of it, and all ids.
func find(top map[string]any, id string) (kind string, about map[string]any, ids []string) {
	about = map[string]any{}
	for _, k := range kernel.SortedKeys(registrySections) {
		section, _ := top[registrySections[k]].(map[string]any)
		ids = append(ids, kernel.SortedKeys(section)...)
		if found, there := section[id].(map[string]any); there {
			kind, about = k, maps.Clone(found)
		}
	}
	return kind, about, ids
}

// change makes what is registered of one what the flags say.
func (r *registration) change(about map[string]any) error {
	put := func(name string, value any, size int) {
		if about[name] = value; size == 0 {
			delete(about, name)
		}
	}
	if r.said("owner") {
		put("owner", r.owner, len(r.owner))
	}
	if r.said("group") {
		put("groups", texts(r.groups), len(texts(r.groups)))
	}
	if r.said("role") {
		put("roles", texts(r.roles), len(texts(r.roles)))
	}
	attributes, _ := about["attributes"].(map[string]any)
	if attributes = maps.Clone(attributes); attributes == nil {
		attributes = map[string]any{}
	}
	for _, name := range r.unset {
		if _, there := attributes[name]; !there {
			return misuse("--unset %s: there is no such attribute", name)
		}
		delete(attributes, name)
	}
	for _, a := range r.attributes {
		name, value, found := strings.Cut(a, "=")
		if !found {
			return misuse("--attribute %q is no NAME=VALUE", a)
		}
		attributes[name] = attributeValue(value)
	}
	put("attributes", attributes, len(attributes))
	return r.changeCapabilities(about)
}

func (r *registration) changeCapabilities(about map[string]any) error {
	had, _ := about["capabilities"].(map[string]any)
	all := map[string]any{}
	maps.Copy(all, had)
	if r.dropped != "" {
		if _, there := all[r.dropped]; !there {
			return misuse("--drop-capability %s: there is no such capability", r.dropped)
		}
		delete(all, r.dropped)
	}
	switch {
	case r.capability != "":
		c, err := r.described()
		if err != nil {
			return err
		}
		all[r.capability] = c
	case len(r.actions)+len(r.resources)+len(r.limits)+r.lend > 0 || r.expires != 0:
		return misuse("--action, --resource, --limit, --expires and --lend describe a capability: name it with --capability")
	}
	if about["capabilities"] = all; len(all) == 0 {
		delete(about, "capabilities")
	}
	return nil
}

// described is the capability of the flags.
func (r *registration) described() (map[string]any, error) {
	if len(r.actions) == 0 || len(r.resources) == 0 {
		return nil, misuse("a capability takes --action and --resource")
	}
	resources := []any{}
	for _, x := range r.resources {
		kind, id, found := strings.Cut(x, "=")
		if !found {
			return nil, misuse("--resource %q is no TYPE=ID", x)
		}
		resources = append(resources, map[string]any{"type": kind, "id": id})
	}
	limits, err := limitsTree(r.limits)
	if err != nil {
		return nil, err
	}
	c := map[string]any{"actions": texts(r.actions), "resources": resources}
	if len(limits) > 0 {
		c["limits"] = limits
	}
	switch {
	case r.expires != 0 && r.expires < time.Second:
		return nil, misuse("--expires is a time from now: 8h")
	case r.expires != 0:
		c["expires"] = app.Clock().Add(r.expires).UTC().Truncate(time.Second).Format(time.RFC3339)
	}
	if r.lend != 0 {
		c["lend"] = int64(r.lend)
	}
	return c, nil
}

// texts are the texts of a flag; a single empty one means none.
func texts(list []string) []any {
	all := []any{}
	for _, s := range slices.DeleteFunc(slices.Clone(list), func(s string) bool { return s == "" }) {
		all = append(all, s)
	}
	return all
}

// attributeValue reads a value as JSON, or takes it as the text that it is.
func attributeValue(text string) any {
	if !json.Valid([]byte(text)) {
		return text
	}
	if v, err := kernel.DecodeJSON([]byte(text)); err == nil && v != nil {
		return v
	}
	return text
}
