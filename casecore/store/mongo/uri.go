package mongo

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/auth"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"
)

// CommandMonitor hears of commands.
type CommandMonitor = event.CommandMonitor

const defaultDatabase = "casewire"

// target is what of an address may be shown.
type target struct{ hosts, database string }

func (t target) String() string { return "mongodb://" + t.hosts + "/" + t.database }

var databaseName = regexp.MustCompile(`^[A-Za-z0-9_-]{1,38}$`)

// parseURI reads an address. Whatever it says of write concern and read
// preference is not followed: what is acknowledged must be on a majority, and
// what is read be what was acknowledged.
func parseURI(uri string, o Options) (target, *options.ClientOptions, error) {
	t := target{hosts: "…", database: o.Database}
	wrong := func(err error, mend string) error {
		return &OpenError{Database: t.String(), Kind: ErrURI, Err: err, Mend: mend}
	}
	scheme, rest, ok := strings.Cut(uri, "://")
	if !ok || scheme != "mongodb" && scheme != "mongodb+srv" {
		return t, nil, wrong(errors.New("it does not begin with mongodb:// or mongodb+srv://"),
			"write it as mongodb://host1,host2,host3/casewire?replicaSet=rs0")
	}
	rest, _, _ = strings.Cut(rest, "?")
	hosts, name, _ := strings.Cut(rest, "/")
	if at := strings.LastIndexByte(hosts, '@'); at >= 0 {
		hosts = hosts[at+1:]
	}
	t.hosts = hosts
	if name != "" {
		t.database = name
	}
	if t.database == "" {
		t.database = defaultDatabase
	}
	if !databaseName.MatchString(t.database) {
		return t, nil, wrong(fmt.Errorf("%q is no name of a database", t.database),
			"use letters, digits, _ and -, at most 38, between the hosts and the question mark")
	}
	c := options.Client().ApplyURI(uri)
	if err := c.Validate(); err != nil {
		return t, nil, wrong(redact(err, uri), "write it as mongodb://host1,host2,host3/casewire?replicaSet=rs0, with user and password percent-encoded")
	}
	c.SetWriteConcern(durable()).SetReadPreference(readpref.Primary())
	c.ReadConcern = nil // each reading says what it needs
	c.SetRetryReads(true).SetRetryWrites(true)
	if c.AppName == nil {
		c.SetAppName("casewire")
	}
	// After a step-down the driver looks at the members anew only with the next
	// heartbeat; its default is ten seconds.
	if c.HeartbeatInterval == nil {
		c.SetHeartbeatInterval(time.Second)
	}
	if c.ServerSelectionTimeout == nil {
		c.SetServerSelectionTimeout(min(10*time.Second, o.Patience))
	}
	if c.ConnectTimeout == nil {
		c.SetConnectTimeout(5 * time.Second)
	}
	if o.Monitor != nil {
		c.SetMonitor(o.Monitor)
	}
	return t, c, nil
}

// redact leaves out an error that repeats what the address holds of a login.
func redact(err error, uri string) error {
	_, rest, _ := strings.Cut(uri, "://")
	if login, _, ok := strings.Cut(rest, "@"); ok {
		for part := range strings.SplitSeq(login, ":") {
			if part != "" && strings.Contains(err.Error(), part) {
				return errors.New("the driver cannot read it")
			}
		}
	}
	return err
}

// isHandshake reports whether a login was refused.
func isHandshake(err error) bool {
	var a *auth.Error
	var c topology.ConnectionError
	return errors.As(err, &a) || errors.As(err, &c) && strings.Contains(c.Error(), "auth error")
}
