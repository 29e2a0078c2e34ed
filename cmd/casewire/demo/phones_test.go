package demo

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	sms "casewire/channels/sms/sandbox"
)

// updates are what the bot was sent.
func (s *stage) updates() string {
	var b strings.Builder
	for _, u := range s.world.Telegram.Updates() {
		b.Write(u)
		b.WriteByte('\n')
	}
	return b.String()
}

func TestWhatIsDoneOnTheTelegramPhoneReachesTheBot(t *testing.T) {
	const chat = 70010003
	s := open(t)
	do := func(what, text string) {
		t.Helper()
		s.done(telegramPage, map[string]string{"me": strconv.Itoa(chat), "do": what, "text": text})
	}
	for _, step := range []struct{ do, text, want string }{
		{"start", "", `"text":"/start"`},
		{"say", "/start abc_DEF", `"text":"/start abc_DEF"`},
		{"say", "Televizor nema sliku", `"text":"Televizor nema sliku"`},
		{"edit", "Televizor LG nema sliku", `"edited_message"`},
		{"sample", "ovako", `"caption":"ovako"`},
		{"album", "", `"media_group_id"`},
		{"voice", "", `"voice":{`},
		{"contact", "", `"phone_number":"+380671234567"`},
		{"location", "", `"location":{`},
		{"block", "", `"status":"kicked"`},
		{"unblock", "", `"old_chat_member":{"status":"kicked"`},
	} {
		do(step.do, step.text)
		if got := s.updates(); !strings.Contains(got, step.want) {
			t.Errorf("%s: the bot got nothing of %s:\n%s", step.do, step.want, got)
		}
	}
	body := s.page(telegramPage + "?me=70010003&lang=en")
	for _, want := range []string{"Televizor LG nema sliku", "edited", "<audio controls", "<img src="} {
		if !strings.Contains(body, want) {
			t.Errorf("the phone shows no %q", want)
		}
	}
	if res := s.post(telegramPage, map[string]string{"me": "70010003", "do": "say", "text": "  "}, "", nil); !strings.Contains(res.Header.Get("Location"), "error=empty") {
		t.Errorf("an empty message: %s", res.Header.Get("Location"))
	}
}

func TestAButtonIsPressedOnTheTelegramPhone(t *testing.T) {
	const chat = "70010004"
	s := open(t)
	s.done(telegramPage, map[string]string{"me": chat, "do": "say", "text": "hello"})
	err := s.world.post(t.Context(), s.world.Telegram.URL()+"/bot"+s.world.Telegram.Token()+"/sendMessage", url.Values{
		"chat_id": {chat}, "text": {"4,900 UAH. Do you approve?"},
		"reply_markup": {`{"inline_keyboard":[[{"text":"Approve","callback_data":"yes 1"},{"text":"Decline","callback_data":"no"}]]}`},
	})
	if err != nil {
		t.Fatal(err)
	}
	press := regexp.MustCompile(`name="press" value="([^"]*)">Approve<`).FindStringSubmatch(s.page(telegramPage + "?me=" + chat))
	if press == nil {
		t.Fatal("the phone shows no button")
	}
	s.done(telegramPage, map[string]string{"me": chat, "press": press[1]})
	if got := s.updates(); !strings.Contains(got, `"data":"yes 1"`) {
		t.Errorf("the bot got\n%s", got)
	}
	for _, forged := range []string{press[1] + "0", "999 no", "x"} {
		res := s.post(telegramPage, map[string]string{"me": chat, "press": forged}, "", nil)
		if !strings.Contains(res.Header.Get("Location"), "error=gone") {
			t.Errorf("%q was pressed", forged)
		}
	}
}

func TestAnUploadedPhotoAndAFileReachTheBot(t *testing.T) {
	s := open(t)
	photo, err := sampleFile("label.jpg")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"mine.jpg": photo.Data, "receipt.txt": []byte("paid")} {
		if res := s.post(telegramPage, map[string]string{"me": "70010001", "do": "say", "text": "look"}, name, data); res.StatusCode != http.StatusSeeOther {
			t.Fatal(res.Status)
		}
	}
	if got := s.updates(); !strings.Contains(got, `"photo":[`) || !strings.Contains(got, `"file_name":"receipt.txt"`) {
		t.Errorf("the bot got\n%s", got)
	}
}

func TestWhatIsTextedOnThePhoneArrives(t *testing.T) {
	const number = "+447700900123"
	s := open(t)
	for _, form := range []map[string]string{
		{"do": "say", "text": "My laptop is slow"}, {"do": "sample", "text": "this one"}, {"do": "STOP"}, {"do": "START"},
	} {
		form["me"] = number
		s.done(smsPage, form)
	}
	var texts []string
	pictures := 0
	for _, b := range s.world.SMS.Phone(number) {
		if b.Mine {
			texts = append(texts, b.Text)
			pictures += len(b.Media)
		}
	}
	if want := []string{"My laptop is slow", "this one", "STOP", "START"}; !slices.Equal(texts, want) || pictures != 1 {
		t.Errorf("texted %q and %d pictures", texts, pictures)
	}
	body := s.page(smsPage + "?lang=en&me=" + url.QueryEscape(number))
	src := regexp.MustCompile(`<img src="([^"]*phone/sms/file[^"]*)"`).FindStringSubmatch(body)
	if src == nil || !strings.Contains(body, "unsubscribed") {
		t.Fatalf("the phone shows\n%s", body)
	}
	if res := s.get(strings.ReplaceAll(src[1], "&amp;", "&")); res.Header.Get("Content-Type") != "image/jpeg" {
		t.Errorf("the picture comes as %v", res.Header)
	}
}

// What is sent to a phone that is off is shown with what became of it.
func TestAPhoneThatIsOffShowsWhatNeverArrived(t *testing.T) {
	const off = "+15005553003"
	s := open(t)
	err := s.world.post(t.Context(), s.world.SMS.URL()+"/2010-04-01/Accounts/"+s.world.SMS.AccountSID()+"/Messages.json",
		url.Values{"From": {sms.DefaultNumber}, "To": {off}, "Body": {"Готово"}})
	if err != nil {
		t.Fatal(err)
	}
	if body := s.page(smsPage + "?lang=en&me=" + url.QueryEscape(off)); !strings.Contains(body, "On its way") || !strings.Contains(body, "parts: 1 · UCS-2") {
		t.Errorf("on its way, the page shows\n%s", body)
	}
	hints, err := s.world.SMS.Watch(t.Context(), off)
	if err != nil {
		t.Fatal(err)
	}
	for {
		if strings.Contains(s.page(smsPage+"?lang=en&me="+url.QueryEscape(off)), "Never arrived (30003)") {
			return
		}
		select {
		case <-hints:
		case <-time.After(10 * time.Second):
			t.Fatal("the page never says that it did not arrive")
		}
	}
}

// A live answer tells of a change at the device, and ends with the sandbox.
func TestChangesAreTold(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	s := open(t)
	s.pages.ctx = ctx
	srv := httptest.NewServer(s.pages)
	defer srv.Close()
	for path, change := range map[string]func(){
		mailPage + "/live?me=jovana@mail.test": func() {
			if err := s.world.Mail.Post("x@y.test", []string{"jovana@mail.test"}, []byte("Subject: x\r\n\r\nx\r\n")); err != nil {
				t.Error(err)
			}
		},
		telegramPage + "/live?me=70010001": func() { s.world.Telegram.Say(70010001, "hello") },
		smsPage + "/live?me=%2B381641234567": func() {
			if _, err := s.world.SMS.Text("+381641234567", sms.DefaultNumber, "hello"); err != nil {
				t.Error(err)
			}
		},
	} {
		res, err := http.Get(srv.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		buf := make([]byte, 512)
		if _, err := res.Body.Read(buf); err != nil || res.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatalf("%s: %v %v", path, res.Header, err)
		}
		change()
		if n, err := res.Body.Read(buf); err != nil || !strings.Contains(string(buf[:n]), "event: change") {
			t.Errorf("%s: %q, %v", path, buf[:n], err)
		}
		defer func() {
			if _, err := io.Copy(io.Discard, res.Body); err != nil {
				t.Errorf("%s did not end: %v", path, err)
			}
		}()
	}
	stop()
}

// That somebody at the centre is writing is shown for as long as Telegram shows it.
func TestTypingIsShown(t *testing.T) {
	s := open(t)
	form := url.Values{"chat_id": {"70010003"}, "action": {"typing"}}
	if err := s.world.post(t.Context(), s.world.Telegram.URL()+"/bot"+s.world.Telegram.Token()+"/sendChatAction", form); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(s.page(telegramPage+"?lang=en&me=70010003"), "typing…") {
		t.Error("the phone does not say that the bot is writing")
	}
	s.world.at(-6 * time.Second)
	if strings.Contains(s.page(telegramPage+"?lang=en&me=70010003"), "typing…") {
		t.Error("the phone says for ever that the bot is writing")
	}
}
