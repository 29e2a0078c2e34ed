package dossier

import (
	"slices"

	"casewire/casecore"
	"casewire/casecore/chain"
	"casewire/channels"
)

// The records are the book's own JSON of what was sealed, with times in UTC.

func eventRecord(e *casecore.Event) (Record, error) {
	x := *e
	x.At = x.At.UTC()
	return record(&x, "pending", "hash")
}

func messageRecord(m *casecore.Message) (Record, error) {
	x := *m
	x.At, x.SentAt, x.Raw = x.At.UTC(), x.SentAt.UTC(), nil
	x.Body.HTML = ""
	x.Versions = slices.Clone(x.Versions)
	for i := range x.Versions {
		x.Versions[i].At, x.Versions[i].Body.HTML = x.Versions[i].At.UTC(), ""
	}
	r, err := record(&x, "case", "seq", "line", "delivery")
	if err != nil {
		return nil, err
	}
	if len(m.Raw) > 0 {
		r["raw_sha256"] = chain.Hash(m.Raw)
	}
	letter(r["body"], &m.Body)
	versions, _ := r["versions"].([]any)
	for i, v := range versions {
		if v, ok := v.(map[string]any); ok {
			letter(v["body"], &m.Versions[i].Body)
		}
	}
	return r, nil
}

// letter notes in a body's record which HTML it had.
func letter(record any, b *channels.Body) {
	if r, ok := record.(map[string]any); ok && b.HTML != "" {
		r["html_sha256"] = chain.Hash([]byte(b.HTML))
	}
}

func evidenceRecord(e *casecore.Evidence, prev string) (Record, error) {
	x := *e
	x.At, x.Since, x.Prev = x.At.UTC(), x.Since.UTC(), prev
	if x.Attempt != nil {
		a := *x.Attempt
		a.At, a.NextAt = a.At.UTC(), a.NextAt.UTC()
		x.Attempt = &a
	}
	return record(&x, "hash")
}
