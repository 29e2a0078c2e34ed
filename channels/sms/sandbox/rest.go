package sandbox

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const root = "/2010-04-01/Accounts/"

// rest serves the API.
func (s *Server) rest() http.Handler {
	mux := http.NewServeMux()
	account := root + "{account}"
	mux.HandleFunc("GET "+account, s.op("account", s.account)) // {account} ends in ".json"
	mux.HandleFunc("GET "+account+"/IncomingPhoneNumbers.json", s.op("numbers", s.numbers))
	mux.HandleFunc("GET /v1/Services/{service}", s.op("service", s.service))
	mux.HandleFunc("POST "+account+"/Messages.json", s.op("create", s.create))
	mux.HandleFunc("GET "+account+"/Messages.json", s.op("list", s.list))
	mux.HandleFunc("GET "+account+"/Messages/{message}", s.op("fetch", s.fetch))
	mux.HandleFunc("GET "+account+"/Messages/{message}/Media.json", s.op("media", s.mediaList))
	mux.HandleFunc("GET "+account+"/Messages/{message}/Media/{media}", s.op("media", s.mediaFetch))
	mux.HandleFunc("POST "+account+"/Calls.json", s.op("call", s.createCall))
	mux.HandleFunc("GET "+account+"/Calls/{call}", s.op("call", s.fetchCall))
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, 20404, "The requested resource "+r.URL.Path+" was not found")
	})
	return mux
}

// op checks who asks, and lets a fault come first.
func (s *Server) op(name string, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		same := subtle.ConstantTimeCompare([]byte(password), []byte(s.o.AuthToken))&
			subtle.ConstantTimeCompare([]byte(user), []byte(s.o.AccountSID)) == 1
		if !same {
			w.Header().Set("WWW-Authenticate", `Basic realm="Twilio API"`)
			refuse(w, http.StatusUnauthorized, 20003, "Authenticate")
			return
		}
		if a := strings.TrimSuffix(r.PathValue("account"), ".json"); a != "" && a != s.o.AccountSID {
			refuse(w, http.StatusNotFound, 20404, "The requested resource was not found")
			return
		}
		f, broken := s.fault(name)
		if !broken {
			h(w, r)
			return
		}
		if f.Taken {
			s.take(r)
		}
		s.fail(w, r, f)
	}
}

// fail answers as a fault has it.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, f Fault) {
	switch {
	case f.Cut:
		cut(w)
	case f.Hang:
		select {
		case <-r.Context().Done():
		case <-s.ctx.Done():
		}
	default:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		}
		refuse(w, f.Status, f.Code, "as asked for")
	}
}

func cut(w http.ResponseWriter) {
	if h, ok := w.(http.Hijacker); ok {
		if conn, _, err := h.Hijack(); err == nil {
			conn.Close()
		}
	}
}

// refuse answers with an error as Twilio writes them.
func refuse(w http.ResponseWriter, status, code int, text string) {
	answer(w, status, map[string]any{
		"code": code, "message": text, "status": status,
		"more_info": "https://www.twilio.com/docs/errors/" + strconv.Itoa(code),
	})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (s *Server) account(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"sid": s.o.AccountSID, "friendly_name": "Sandbox", "status": "active", "type": "Full",
		"uri": root + s.o.AccountSID + ".json",
	})
}

func (s *Server) numbers(w http.ResponseWriter, r *http.Request) {
	wanted := r.URL.Query().Get("PhoneNumber")
	list := []map[string]any{}
	s.mu.Lock()
	for _, n := range s.o.Numbers {
		if wanted == "" || strings.Contains(n, strings.Trim(wanted, "*")) {
			list = append(list, map[string]any{
				"sid": "PN" + strings.TrimLeft(n, "+"), "account_sid": s.o.AccountSID, "phone_number": n,
				"sms_url": s.hooks[n], "sms_method": "POST",
				"voice_url": s.voices[n].voice, "voice_method": "POST", "status_callback": s.voices[n].status, "capabilities": map[string]bool{"sms": true, "mms": true, "voice": true},
			})
		}
	}
	s.mu.Unlock()
	answer(w, http.StatusOK, map[string]any{"incoming_phone_numbers": list, "page": 0, "page_size": 50, "next_page_uri": nil})
}

func (s *Server) service(w http.ResponseWriter, r *http.Request) {
	if sid := r.PathValue("service"); s.o.Service == "" || sid != s.o.Service {
		refuse(w, http.StatusNotFound, 20404, "The requested resource was not found")
		return
	}
	answer(w, http.StatusOK, map[string]any{
		"sid": s.o.Service, "account_sid": s.o.AccountSID, "friendly_name": "Sandbox",
		"inbound_request_url": nil, "use_inbound_webhook_on_number": true,
	})
}

// stamp writes a time as Twilio's 2010 API does.
func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format(time.RFC1123Z)
}
