package portal

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
)

//go:embed assets/page.css
var assetFiles embed.FS

// styleSheet is the one file that pages need.
const styleSheet = "page.css"

// assets is the style sheet, whose address holds its hash, so that a browser may
// keep it for ever.
type assets struct {
	hash string
	css  []byte
}

func loadAssets() (*assets, error) {
	css, err := assetFiles.ReadFile("assets/" + styleSheet)
	sum := sha256.Sum256(css)
	return &assets{hash: hex.EncodeToString(sum[:6]), css: css}, err
}

func (a *assets) address() string { return Prefix + "assets/" + a.hash + "/" + styleSheet }

func (a *assets) serve(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("name") != styleSheet {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/css; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	if r.PathValue("hash") == a.hash {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	_, _ = w.Write(a.css) // the visitor may be gone
}
