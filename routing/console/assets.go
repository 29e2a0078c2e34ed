package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

//go:embed assets
var assetFiles embed.FS

//go:embed templates/*.html
var templateFiles embed.FS

// assets are the console's own style sheets, modules and pictures. Their address
// holds a hash over all of them, so that a browser may keep them for ever.
type assets struct {
	hash  string
	files map[string]asset
}

type asset struct {
	data []byte
	mime string
	tag  string
}

var assetTypes = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

// styles lists the style sheets in the order they are loaded.
var styles = []string{"css/tokens.css", "css/base.css", "css/components.css", "css/board.css", "css/case.css", "css/notices.css", "css/figures.css", "css/policy.css", "css/dossier.css", "css/webhooks.css"}

func loadAssets() (*assets, error) {
	a := &assets{files: map[string]asset{}}
	all := sha256.New()
	err := fs.WalkDir(assetFiles, "assets", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := assetFiles.ReadFile(name)
		if err != nil {
			return err
		}
		mime, ok := assetTypes[path.Ext(name)]
		if !ok {
			return fmt.Errorf("asset %s: no media type for %s", name, path.Ext(name))
		}
		sum := sha256.Sum256(data)
		fmt.Fprintf(all, "%s %x\n", name, sum)
		a.files[strings.TrimPrefix(name, "assets/")] = asset{data, mime, `"` + hex.EncodeToString(sum[:12]) + `"`}
		return nil
	})
	a.hash = hex.EncodeToString(all.Sum(nil)[:6])
	return a, err
}

// address is where the page finds an asset.
func (a *assets) address(name string) (string, error) {
	if _, ok := a.files[name]; !ok {
		return "", fmt.Errorf("no asset %s", name)
	}
	return Prefix + "assets/" + a.hash + "/" + name, nil
}

func (a *assets) serve(w http.ResponseWriter, r *http.Request) {
	f, ok := a.files[r.PathValue("path")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.mime)
	h.Set("ETag", f.tag)
	h.Set("Cache-Control", "no-cache")
	if r.PathValue("hash") == a.hash {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.data))
}
