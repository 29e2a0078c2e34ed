package mime

import (
	"bytes"
	"io"
	"regexp"
	"slices"
	"strings"

	"casewire/channels"
)

const maxStatus = 64 << 10 // bytes of a delivery status that are read

func (p *parser) isReportPart(mediaType string, at place) bool {
	return at.parent == "multipart/report" && len(p.status) == 0 &&
		(mediaType == "message/delivery-status" || mediaType == "message/global-delivery-status")
}

// readStatus reads the machine's part of a report. What is none is shown as text.
func (p *parser) readStatus(dec decoder) rendition {
	raw, _ := io.ReadAll(io.LimitReader(p.part(dec), maxStatus))
	p.skip()
	if readReport(raw) == nil {
		return rendition{plain: channels.CleanText(decodeText(raw, "", p.hint).text)}
	}
	p.status = raw
	return rendition{}
}

// settleReport puts the report and the header of the mail it is about together.
func (p *parser) settleReport() *Report {
	r := readReport(p.status)
	if r == nil {
		return nil
	}
	r.OriginalMessageID = firstID(p.original.get("Message-ID"))
	for _, a := range withAddr(addresses(p.original.all("To"), "")) {
		r.OriginalTo = append(r.OriginalTo, a.Addr)
	}
	return r
}

// readReport reads a message/delivery-status (RFC 3464): groups of fields, the
// first of the message, the others one for each recipient. It returns nil when
// there is no recipient.
func readReport(raw []byte) *Report {
	var (
		found    *Report
		envelope string
	)
	for _, group := range statusGroups(raw) {
		if envelope == "" {
			envelope = channels.CleanLine(decodeRaw(unfold(group.get("Original-Envelope-Id")), ""))
		}
		r := recipientReport(group)
		if r == nil {
			continue
		}
		if found == nil || found.Action != "failed" && r.Action == "failed" {
			found = r
		}
	}
	if found != nil {
		found.OriginalEnvelopeID = envelope
	}
	return found
}

// statusGroups cuts a status at its empty lines.
func statusGroups(raw []byte) []header {
	var groups []header
	raw = bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n"))
	for part := range bytes.SplitSeq(raw, []byte("\n\n")) {
		if part = bytes.TrimLeft(part, "\n"); len(part) > 0 {
			groups = append(groups, fields(part))
		}
	}
	return groups
}

// actions are those of RFC 3464.
var actions = []string{"failed", "delayed", "delivered", "relayed", "expanded"}

func recipientReport(h header) *Report {
	if !h.has("Final-Recipient") && !h.has("Original-Recipient") || !h.has("Action") && !h.has("Status") {
		return nil
	}
	r := &Report{
		Recipient:  recipient(h.get("Final-Recipient")),
		Action:     strings.ToLower(channels.CleanLine(h.token("Action"))),
		Status:     enhanced.FindString(h.get("Status")),
		Diagnostic: channels.CleanLine(decodeWords(typed(h.get("Diagnostic-Code")), "")),
		RemoteMTA:  channels.CleanLine(decodeRaw(typed(h.get("Remote-MTA")), "")),
	}
	if original := recipient(h.get("Original-Recipient")); original != "" {
		// The address that we wrote to, before anybody forwarded it.
		r.Recipient = original
	}
	if !slices.Contains(actions, r.Action) {
		r.Action = actionOf(r)
	}
	return r
}

// actionOf tells from the status what an unknown action means.
func actionOf(r *Report) string {
	for _, a := range actions {
		if strings.HasPrefix(r.Action, a) {
			return a
		}
	}
	switch {
	case strings.HasPrefix(r.Status, "5"):
		return "failed"
	case strings.HasPrefix(r.Status, "2"):
		return "delivered"
	case r.Action == "" && strings.HasPrefix(r.Status, "4"):
		return "delayed"
	}
	return r.Action
}

var enhanced = regexp.MustCompile(`\b[245]\.[0-9]{1,3}\.[0-9]{1,3}\b`)

// typed returns what stands behind the type of a field: "smtp; 550 no such user".
func typed(s string) string {
	s = unfold(s)
	kind, value, ok := strings.Cut(s, ";")
	if !ok || strings.ContainsAny(strings.TrimSpace(kind), " \t<@") {
		return strings.TrimSpace(s)
	}
	return strings.TrimSpace(value)
}

func recipient(s string) string {
	if list := withAddr(addresses([]string{strings.ReplaceAll(typed(s), ";", " ")}, "")); len(list) > 0 {
		return list[0].Addr
	}
	return ""
}
