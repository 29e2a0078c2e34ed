package sandbox

import (
	"net/http"
	"strings"
)

// mediaList is GET Media.
func (s *Server) mediaList(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.book.find(r.PathValue("message"))
	if m == nil {
		refuse(w, http.StatusNotFound, 20404, "The requested resource was not found")
		return
	}
	items := []map[string]any{}
	for _, b := range m.Media {
		items = append(items, s.mediaResource(m, b))
	}
	answer(w, http.StatusOK, map[string]any{"media_list": items, "page": 0, "page_size": 50, "next_page_uri": nil})
}

func (s *Server) mediaResource(m *message, b blob) map[string]any {
	return map[string]any{
		"sid": b.SID, "parent_sid": m.SID, "account_sid": s.o.AccountSID, "content_type": b.Type,
		"date_created": stamp(m.Created), "date_updated": stamp(m.Updated),
		"uri": root + s.o.AccountSID + "/Messages/" + m.SID + "/Media/" + b.SID + ".json",
	}
}

// mediaFetch is GET Media/ME…: the bytes, or with ".json" what is known of them.
// The provider redirects to where the bytes lie; so does this.
func (s *Server) mediaFetch(w http.ResponseWriter, r *http.Request) {
	name, described := strings.CutSuffix(r.PathValue("media"), ".json")
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.book.find(r.PathValue("message")); m != nil {
		for _, b := range m.Media {
			switch {
			case b.SID != name:
				continue
			case described:
				answer(w, http.StatusOK, s.mediaResource(m, b))
			case r.URL.Query().Get("at") == "":
				http.Redirect(w, r, r.URL.Path+"?at=rest", http.StatusTemporaryRedirect)
			default:
				w.Header().Set("Content-Type", b.Type)
				_, _ = w.Write(b.Data)
			}
			return
		}
	}
	refuse(w, http.StatusNotFound, 20404, "The requested resource was not found")
}
