package search

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func one(t *testing.T, text string) Word {
	t.Helper()
	w := Words(text, "")
	if len(w) != 1 {
		t.Fatalf("%q is %d words: %+v", text, len(w), w)
	}
	return w[0]
}

// forms are words as a rule may have them, and the forms that customers write.
var forms = map[string]string{
	// Russian
	"телефон":     "телефона телефону телефоном телефоне телефоны телефонов телефонам телефонами телефонах ТЕЛЕФОН",
	"ремонт":      "ремонта ремонту ремонтом ремонте ремонты",
	"экран":       "экрана экрану экраном экране экраны экранов экранами екран",
	"холодильник": "холодильника холодильнику холодильником холодильники холодильников холодильників",
	"стиральная":  "стиральной стиральную стиральные стиральных",
	"машина":      "машины машину машиной машине машин",
	"батарея":     "батареи батарею батарей батареями",
	"батарейка":   "батарейки батарейку батареек",
	"кнопка":      "кнопки кнопку кнопкой кнопок кнопками",
	"дисплей":     "дисплея дисплею дисплеем дисплее дисплеи",
	"аккумулятор": "аккумулятора аккумулятору аккумуляторы аккумуляторов",
	"гарантия":    "гарантии гарантию гарантией гарантий",
	"телевизор":   "телевизора телевизору телевизоры телевизоров",
	"включается":  "включаются включался включалась включаться",
	"включился":   "включилась включилось включился включиться",
	"зарядка":     "зарядки зарядку зарядок зарядкой",
	"ёмкость":     "емкость емкости ЁМКОСТЬ",
	"разбитый":    "разбитая разбитое разбитого разбил разбила разбился разбилась",
	"объявление":  "объявления объявлению",
	"микрофон":    "микрофона микрофону микрофонов",
	"компьютер":   "компьютера компьютеру компьютеры компьютеров комп'ютер комп’ютера",
	"жалоба":      "жалобы жалобу жалоб",
	"срочный":     "срочная срочно срочное срочного",
	"вода":        "воды воду водой воде",
	"пульт":       "пульта пульту пульты пультов",
	"неисправный": "неисправна неисправного неисправные",
	"наушники":    "наушников наушникам наушник",
	"материнская": "материнской материнскую",
	"вздулся":     "вздулась вздулось вздулись",
	"тріснув":     "тріснула тріснуло тріснули",
	"треснуло":    "треснул треснула треснули",
	"заряжается":  "заряжаются заряжался",
	"колонка":     "колонки колонок колонку",
	"посудомойка": "посудомойки посудомойку",
	"пылесос":     "пылесоса пылесосу пылесосы пылесосов",
	// Ukrainian
	"ремонти":    "ремонт ремонту ремонтів",
	"телефони":   "телефонів телефонам телефонові телефоном телефону",
	"екран":      "екрана екрану екрани екранів екранами",
	"пральна":    "пральної пральну пральні пральною",
	"комп'ютер":  "комп’ютера компʼютери комп'ютерів КОМП'ЮТЕРУ компютер",
	"плівка":     "плівки плівку плівкою плівок",
	"батареї":    "батарея батарею батарей",
	"пристрій":   "пристрою пристрої пристроїв пристроєм",
	"вмикається": "вмикаються вмикався вмикалася вмикати вмикає",
	"гарантія":   "гарантії гарантію гарантією гарантия",
	"пралька":    "пральки пральку",
	"зламався":   "зламалася зламався зламалось зламали",
	"скаржитися": "скаржиться",
	"розбитий":   "розбита розбите розбитого",
	"ґвинт":      "гвинт гвинта гвинти",
	"духовка":    "духовки духовку духовок",
	"навушники":  "навушників навушниками",
	"чутно":      "чутна",
	"готовий":    "готова готове готовий готові",
	// Serbian, both scripts
	"telefon":   "telefona telefonu telefonom telefoni telefone telefonima телефон телефона телефону Телефони",
	"ekran":     "ekrana ekranu ekranom ekrani ekrane екран екрана екрану",
	"frižider":  "frizider frižidera frižideru frižideri фрижидер фрижидера",
	"šporet":    "sporet šporeta šporeti шпорет шпорета",
	"mašina":    "masina mašine mašinu mašinom машина машине машину",
	"đubre":     "djubre",
	"uređaj":    "uredjaj uređaja uređaju uređaji uređajem уређај уређаја",
	"popravka":  "popravke popravku popravkom поправка поправку",
	"baterija":  "baterije bateriju baterijom батерија батерију",
	"džojstik":  "dzojstik džojstika џојстик џојстика",
	"punjač":    "punjac punjača punjaču punjači пуњач пуњача",
	"računar":   "racunar računara računaru računari рачунар рачунара",
	"televizor": "televizora televizoru televizori телевизор телевизора",
	"mobilni":   "mobilnog mobilnom mobilnim мобилни мобилног",
	"slušalice": "slusalice slušalica слушалице слушалица",
	"garancija": "garancije garanciju гаранција гаранцију",
	"radi":      "rade radio radila radilo ради раде",
	"дугме":     "dugme",
	// English
	"phone":        "phones Phone phone's PHONES",
	"battery":      "batteries",
	"screen":       "screens screen's",
	"charging":     "charge charged charges",
	"swell":        "swelling swells swelled",
	"box":          "boxes",
	"watch":        "watches watching watched",
	"stop":         "stops stopped stopping",
	"freeze":       "freezes freezing",
	"noise":        "noises",
	"lens":         "lenses",
	"fridge":       "fridges",
	"washer":       "washers",
	"refrigerator": "refrigerators",
	"café":         "cafe",
	"don't":        "dont don’t",
	"iphone13":     "iPhone13 IPHONE13 ｉＰｈｏｎｅ１３",
}

func TestFormsOfAWordAgree(t *testing.T) {
	for word, list := range forms {
		w := one(t, word)
		for form := range strings.FieldsSeq(list) {
			if f := one(t, form); !w.Matches(f) || !f.Matches(w) {
				t.Errorf("%s %+v does not find %s %+v", word, w, form, f)
			}
		}
	}
}

// TestDifferentWordsStayApart guards the words that rules decide by.
func TestDifferentWordsStayApart(t *testing.T) {
	for _, pair := range [][2]string{
		{"дым", "дім"}, {"дым", "дома"}, {"пожар", "пожалуйста"}, {"печь", "печатает"},
		{"битый", "быть"}, {"экран", "кран"}, {"плита", "плата"}, {"гарантия", "гарнитура"},
		{"горит", "город"}, {"газ", "газета"}, {"статус", "стат"}, {"задымился", "задаю"}, {"загорелся", "загорается"}, {"загорівся", "загорається"},
		{"жалуюсь", "жаль"}, {"жалуюсь", "жало"}, {"пожаловаться", "пожалуй"}, {"poco", "почему"}, {"zapalio", "запой"}, {"раздулась", "раздаёт"}, {"роздувся", "роздає"}, {"вздулся", "сдулся"}, {"звук", "зву"},
		{"phone", "photo"}, {"charge", "charger"}, {"fire", "firm"}, {"string", "str"}, {"need", "ne"},
		{"bus", "bu"}, {"glass", "gla"}, {"smoke", "smile"}, {"tv", "tvoj"}, {"screen", "scream"},
		{"šporet", "sport"}, {"kvar", "kvart"}, {"vatra", "vata"}, {"dim", "dom"}, {"струја", "стр"},
	} {
		a, b := one(t, pair[0]), one(t, pair[1])
		if a.Matches(b) {
			t.Errorf("%s %+v finds %s %+v", pair[0], a, pair[1], b)
		}
	}
}

func TestWordsOfAText(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "",
		" \n\t…—!":                      "",
		"Hello, World!":                 "hello world",
		"Wi-Fi не работает":             "wi fi не работает",
		"iPhone'у 12 лет":               "iphone у 12 лет",
		"the phone's 'screen' isn't ok": "the phone screen isnt ok",
		"д’Артаньян м'яч п`ять":             "дартаньян мяч пять",
		"USBкабель samsung_s20+":            "usb кабель samsung s20",
		"ЁЛКА й=и\u0306":                    "елка й й",
		"soft\u00adhyphen zero\u200bwidth":  "softhyphen zero width",
		"Ђорђе Đorđe":                       "ђорђе djordje",
		"№5 ½ ﬁle":                          "5 1 2 file",
		"почта@пример.рф https://a.example": "почта пример рф https a example",
		"苹果 手机 αβγ":                         "苹果 手机 αβγ",
		"\xff\xfeбит\x80ый":                 "бит ый",
	} {
		var got []string
		for _, w := range Words(text, "") {
			got = append(got, w.Text)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestKnownLanguageLeavesOneStem(t *testing.T) {
	for _, c := range []struct{ text, tag, want string }{
		{"телефона", "ru", "телефон"}, {"телефона", "sr-RS", "telefon"}, {"телефона", "", "телефон telefon"},
		{"phones", "en", "phon"}, {"telefona", "sr", "telefon"}, {"ђак", "ru", "djak"}, {"ключи", "en", "ключ"},
	} {
		w := Words(c.text, c.tag)[0]
		if got := strings.TrimSpace(w.Stem + " " + w.Also); got != c.want {
			t.Errorf("%s in %q: got %q, want %q", c.text, c.tag, got, c.want)
		}
	}
}

func TestFold(t *testing.T) {
	for in, want := range map[string]string{
		"ЁЖ Їжак ĐAK ＡＢＣ": "еж їжак đak abc", "": "", "a\nB": "a\nb",
	} {
		if got := Fold(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// TestStemsOfAnything holds for each stemmer on any letters: something is left,
// nothing is put on, and English stems stay what they are when stemmed again.
func TestStemsOfAnything(t *testing.T) {
	const seed = 4
	rnd := rand.New(rand.NewPCG(seed, seed))
	var s Scanner
	for name, c := range map[string]struct {
		letters string
		stem    func([]byte, []rune) []byte
	}{
		"english": {"aeiousndgtlvbyczx", s.appendEnglish},
		"serbian": {"aeiouvmhgjlnktdbs", s.appendSerbian},
		"eastern": {"аяоеиыіїєуюймхвтлксьшнбдг", s.appendEastern},
	} {
		letters := []rune(c.letters)
		for range 20000 {
			w := make([]rune, 1+rnd.IntN(10))
			for i := range w {
				w[i] = letters[rnd.IntN(len(letters))]
			}
			once := string(c.stem(nil, w))
			if len([]rune(once)) > len(w) || once == "" && strings.Trim(string(w), "ьъ") != "" {
				t.Fatalf("%s, seed %d: %s → %s", name, seed, string(w), once)
			}
			if twice := string(c.stem(nil, []rune(once))); name == "english" && twice != once {
				t.Fatalf("%s, seed %d: %s → %s → %s", name, seed, string(w), once, twice)
			}
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"repairs", "phones", "queue", "id"}
	for in, want := range map[string]string{
		"repair": "repairs", "phnoes": "phones", "Queue": "queue", "qeue": "queue", "xyz": "", "": "", "phonesandmore": "phones", "quantum": "",
	} {
		if got := Nearest(in, names); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// FuzzWords promises that any text is cut without panics into words that are not
// empty, bounded, valid, and the same when they are cut again.
func FuzzWords(f *testing.F) {
	for _, text := range []string{"Телефон не вмикається, комп’ютер", "iPhone'у wi-fi №5", "Ђорђе đak ｆｕｌｌ", "\xff'''s", "a\u0301е\u0308ʼї"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		words := Words(text, "")
		for _, w := range words {
			if w.Text == "" || w.Stem == "" && strings.Trim(w.Text, "ьъ") != "" || len(w.Text) > 4*(maxWord+2) {
				t.Fatalf("%q: bad word %+v", text, w)
			}
			if utf8.ValidString(text) && !utf8.ValidString(w.Text+w.Stem+w.Also) {
				t.Fatalf("%q: not UTF-8: %+v", text, w)
			}
			if !w.Matches(w) {
				t.Fatalf("%+v does not match itself", w)
			}
		}
		if again := Words(text, ""); !slices.Equal(words, again) {
			t.Fatalf("%q: %v then %v", text, words, again)
		}
		Fold(text)
	})
}

const message = "Здравствуйте! Вчера уронил телефон Samsung Galaxy A52, разбился экран и не включается. " +
	"Сколько будет стоить ремонт и как быстро сделаете? Аккумулятор тоже быстро садится, заряжаю два раза в день. Спасибо, Ольга"

// BenchmarkScanner is the cost of folding and stemming a message of 200 letters:
//
//	go test -run '^$' -bench Scanner ./casecore/search
func BenchmarkScanner(b *testing.B) {
	text := string([]rune(message)[:200])
	var s Scanner
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		n = 0
		for s.Reset(text); s.Next(); {
			n += 1
		}
	}
	b.ReportMetric(float64(n), "words")
	_ = fmt.Sprint(n)
}
