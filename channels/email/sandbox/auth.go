package sandbox

import (
	"strings"

	"github.com/emersion/go-sasl"
)

// enter lets somebody in who knows the secret that of takes from the account.
type enter func(name, secret string, of func(Account) string) error

func password(a Account) string { return a.Password }

func token(a Account) string { return a.Token }

// mechanisms lists the ways to log in.
func (s *Server) mechanisms() []string {
	for _, a := range s.o.Accounts {
		if a.Token != "" {
			return []string{"PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"}
		}
	}
	return []string{"PLAIN", "LOGIN"}
}

// authenticate returns the server's side of a mechanism, or nil.
func authenticate(mechanism string, in enter) sasl.Server {
	switch strings.ToUpper(mechanism) {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, name, secret string) error { return in(name, secret, password) })
	case sasl.Login:
		return &loginServer{enter: in}
	case "XOAUTH2":
		return &xoauth2Server{enter: in}
	case sasl.OAuthBearer:
		var failed error
		srv := sasl.NewOAuthBearerServer(func(o sasl.OAuthBearerOptions) *sasl.OAuthBearerError {
			if failed = in(o.Username, o.Token, token); failed != nil {
				return &sasl.OAuthBearerError{Status: "invalid_token"}
			}
			return nil
		})
		return &bearerServer{srv, &failed}
	}
	return nil
}

// loginServer asks for name and password one after the other.
type loginServer struct {
	enter enter
	asked int
	name  string
}

func (l *loginServer) Next(response []byte) ([]byte, bool, error) {
	if l.asked == 0 && response != nil { // the name came with the command
		l.asked = 1
	}
	l.asked++
	switch l.asked {
	case 1:
		return []byte("Username:"), false, nil
	case 2:
		l.name = string(response)
		return []byte("Password:"), false, nil
	}
	return nil, true, l.enter(l.name, string(response), password)
}

// xoauth2Server reads "user=NAME\x01auth=Bearer TOKEN\x01\x01".
type xoauth2Server struct {
	enter  enter
	failed error
}

func (x *xoauth2Server) Next(response []byte) ([]byte, bool, error) {
	if x.failed != nil { // the client has read why
		return nil, false, x.failed
	}
	if response == nil {
		return nil, false, nil
	}
	var name, secret string
	for field := range strings.SplitSeq(string(response), "\x01") {
		if v, ok := strings.CutPrefix(field, "user="); ok {
			name = v
		}
		if v, ok := strings.CutPrefix(field, "auth=Bearer "); ok {
			secret = v
		}
	}
	if x.failed = x.enter(name, secret, token); x.failed != nil {
		return []byte(`{"status":"401","schemes":"bearer","scope":"mail"}`), false, nil
	}
	return nil, true, nil
}

// bearerServer answers a refusal with the error of the protocol around it.
type bearerServer struct {
	sasl.Server
	failed *error
}

func (b *bearerServer) Next(response []byte) ([]byte, bool, error) {
	challenge, done, err := b.Server.Next(response)
	if err != nil && *b.failed != nil {
		err = *b.failed
	}
	return challenge, done, err
}
