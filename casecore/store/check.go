package store

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Check tells what is wrong with the declaration of c. Engines call it when
// they open a collection.
func (c *Coll) Check() error {
	if !isName(c.Name) {
		return fmt.Errorf("collection %q: a name has lower-case letters, digits and _ only and begins with a letter", c.Name)
	}
	seen := make(map[string]bool, len(c.Indexes))
	for _, ix := range c.Indexes {
		switch {
		case !isName(ix.Name):
			return fmt.Errorf("index %q of %s: a name has lower-case letters, digits and _ only and begins with a letter", ix.Name, c.Name)
		case seen[ix.Name]:
			return fmt.Errorf("index %s of %s is declared twice", ix.Name, c.Name)
		}
		seen[ix.Name] = true
	}
	if len(c.Indexes) > 0 && c.Rekey == nil {
		return fmt.Errorf("collection %s has indexes but no Rekey to fill them", c.Name)
	}
	return nil
}

// CheckDoc tells why d cannot be stored in c, so that every engine refuses the
// same documents: ErrLimit for what is too large, and a plain error for an id,
// a body or keys that break the rules of Doc and Keys.
func (c *Coll) CheckDoc(d Doc) error {
	if err := checkText("id", d.ID, MaxID); err != nil {
		return err
	}
	if d.ID == "" {
		return fmt.Errorf("a document of %s has no id", c.Name)
	}
	if len(d.Body) > MaxBody {
		return fmt.Errorf("body of %s has %d bytes, at most %d: %w", d.ID, len(d.Body), MaxBody, ErrLimit)
	}
	if n := len(d.Body); n < 2 || d.Body[0] != '{' || d.Body[n-1] != '}' || !utf8.Valid(d.Body) {
		return fmt.Errorf("body of %s is not a JSON object", d.ID)
	}
	return c.CheckKeys(d.Keys)
}

// CheckKeys tells why these keys cannot be those of a document of c.
func (c *Coll) CheckKeys(keys Keys) error {
	for name, list := range keys {
		ix, ok := c.Index(name)
		if !ok {
			return fmt.Errorf("%s has no index %q", c.Name, name)
		}
		for _, key := range list {
			if err := checkText("key of index "+name, key, MaxKey); err != nil {
				return err
			}
		}
		if !ix.Multi && len(list) > 1 {
			return fmt.Errorf("%d keys in index %s, which is not declared Multi", len(list), name)
		}
		if len(list) > MaxMulti {
			return fmt.Errorf("%d keys in index %s, at most %d: %w", len(list), name, MaxMulti, ErrLimit)
		}
	}
	return nil
}

// CheckRange tells why r cannot be scanned in c.
func (c *Coll) CheckRange(r Range) error {
	if r.Limit < 0 {
		return fmt.Errorf("scan of %s: limit %d is negative", c.Name, r.Limit)
	}
	if r.Index == "" {
		return nil
	}
	ix, ok := c.Index(r.Index)
	if !ok {
		return fmt.Errorf("%s has no index %q", c.Name, r.Index)
	}
	if ix.Multi && (r.From != "" || r.To != "" || r.Prefix == "") {
		return fmt.Errorf("index %s of %s is Multi: it answers Prefix as an exact key and nothing else", ix.Name, c.Name)
	}
	return nil
}

func checkText(what, s string, limit int) error {
	if len(s) > limit {
		return fmt.Errorf("%s has %d bytes, at most %d: %w", what, len(s), limit, ErrLimit)
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s is not valid UTF-8", what)
	}
	return nil
}

func isName(s string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyz"
	return s != "" && len(s) <= 40 && strings.Contains(letters, s[:1]) && strings.Trim(s, letters+"0123456789_") == ""
}
