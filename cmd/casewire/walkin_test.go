package main

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// Who came to the desk is told, and answered, at the address that they left.
func TestWhoCameToTheDeskIsTold(t *testing.T) {
	c := openCentre(t)
	api := caller{t: t, url: c.url, token: c.file.APIToken}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const phone = "+447700900178"
	who := api.wants(http.StatusCreated, http.MethodPost, "/customers", map[string]any{
		"name": "Ivan", "addresses": []map[string]any{{"kind": "sms", "handle": phone}, {"kind": "email", "handle": "ivan@mail.test"}},
	})
	k := api.wants(http.StatusCreated, http.MethodPost, "/cases", map[string]any{"source": "walk_in", "text": "My TV stays dark", "customer_id": who["id"]})
	number := fmt.Sprint(k["number"])
	c.must(c.world.SMS.Received(ctx, phone, number, 1)) // the receipt
	api.wants(http.StatusOK, http.MethodPost, "/cases/"+number+"/claim", nil)

	w := &wisher{centre: c, api: api, phone: phone, number: number}
	w.moves("ready")
	c.must(c.world.SMS.Received(ctx, phone, "ready", 1))
	const answer = "We are open until eight."
	k = api.wants(http.StatusOK, http.MethodGet, "/cases/"+number, nil)
	api.wants(http.StatusCreated, http.MethodPost, "/cases/"+number+"/messages", map[string]any{"text": answer}, "If-Match", fmt.Sprint(k["etag"]))
	c.must(c.world.SMS.Received(ctx, phone, answer, 1))
	if k := api.wants(http.StatusOK, http.MethodGet, "/cases/"+number, nil); k["call"] != nil {
		t.Errorf("somebody is asked to call: %v", k["call"])
	}
}

// A status set by mistake is the first to be offered back, whatever the policy has
// follow it, and nobody hears of either. Then that is over.
func TestASlipIsTakenBackByTheAPI(t *testing.T) {
	c := openCentre(t)
	api := caller{t: t, url: c.url, token: c.file.APIToken}
	api.holds("20m")
	k := api.wants(http.StatusCreated, http.MethodPost, "/cases", map[string]any{
		"text": "My phone is broken", "customer": map[string]any{"name": "Ivan", "kind": "sms", "handle": "+447700900179"},
	})
	number := fmt.Sprint(k["number"])
	at := "/cases/" + number
	api.wants(http.StatusOK, http.MethodPost, at+"/claim", nil)
	moves := func() (first map[string]any) {
		k := api.wants(http.StatusOK, http.MethodGet, at, nil)
		return k["moves"].([]any)[0].(map[string]any)
	}
	if m := moves(); m["takes_back"] != nil {
		t.Errorf("the claim is offered to be taken back: %v", m)
	}
	api.moves(number, "ready")
	api.wants(http.StatusOK, http.MethodGet, at, nil)
	if m := moves(); m["status"] != "accepted" || m["takes_back"] != true {
		t.Errorf("first offered: %v", m)
	}
	n := api.notices("?state=held", 1)[0]
	api.wants(http.StatusOK, http.MethodPost, at+"/status", map[string]any{"from": "ready", "to": "accepted"})
	api.notices("?state=held", 0)
	for _, m := range api.notices("?case="+number, 2) { // and the receipt
		if m["id"] == n["id"] && (m["state"] != "skipped" || m["reason"] != "taken_back") {
			t.Errorf("the notice: %v", m)
		}
	}
	p := api.wants(http.StatusPreconditionFailed, http.MethodPost, at+"/status", map[string]any{"from": "ready", "to": "issued"})
	if p["status"] != 412.0 || p["code"] != "stale" {
		t.Errorf("refused: %v", p)
	}
	p = api.wants(http.StatusUnprocessableEntity, http.MethodPost, at+"/status", map[string]any{"from": "accepted", "to": "issued"})
	if p["code"] != "not_next" {
		t.Errorf("refused: %v", p)
	}

	// Once told, there is no way but the policy's.
	api.holds("0s")
	api.moves(number, "ready")
	if m := moves(); m["status"] != "issued" {
		t.Errorf("first offered: %v", m)
	}
	p = api.wants(http.StatusUnprocessableEntity, http.MethodPost, at+"/status", map[string]any{"from": "ready", "to": "accepted"})
	if p["code"] != "not_next" {
		t.Errorf("refused: %v", p)
	}
}
