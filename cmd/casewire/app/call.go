package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"casewire/casecore"
	"casewire/casecore/lang"
	"casewire/casecore/store"
	"casewire/channels"
	"casewire/routing/desk"
)

// dial calls the customer of a case from the operator's own phone, through a channel
// that can. The call is on the timeline before the provider is asked; what becomes
// of it follows there (callReceipt). identity is one of the customer's addresses,
// empty: the best known. also, if not nil, is written with the provider's consent.
// Errors are, besides those of rights: casecore.ErrNoNumber, *casecore.OnCall,
// desk.ErrNoPhone and *desk.NoCall.
func (a *App) dial(ctx context.Context, by casecore.Actor, number, identity string, also desk.Also) error {
	phone, tag, err := a.phoneOf(ctx, by)
	if err != nil {
		return err
	}
	channel, caller := a.caller(ctx, number)
	call, err := a.work.Also(func(store.Tx, *casecore.Case, *casecore.Message) error {
		// Asked last: who may not call does not learn what else is missing.
		switch {
		case phone == "":
			return desk.ErrNoPhone
		case caller == nil:
			return &desk.NoCall{Words: noCaller.In(tag)}
		}
		return nil
	}).Dial(ctx, by, number, identity, channel)
	if err != nil {
		return err
	}
	a.o.Check("call.opened")
	// From here on the call is made, whether or not whoever asked still waits.
	ctx = context.WithoutCancel(ctx)
	_, err = caller.Call(ctx, channels.CallRequest{ID: call.ID, Operator: phone, Customer: call.Number})
	a.o.Check("call.asked")
	if err != nil {
		return a.notCalled(ctx, call.ID, tag, err)
	}
	err = a.store.Update(ctx, func(tx store.Tx) error {
		c, err := a.ledger.CallPlaced(tx, call.ID)
		if err != nil || also == nil {
			return err
		}
		return also(tx, c, nil)
	})
	if err != nil {
		return fmt.Errorf("note that a call is made: %w", err)
	}
	return nil
}

// notCalled records that a call was not made. Of one of which it is not known the
// receipts will tell, or in the end sweepCalls.
func (a *App) notCalled(ctx context.Context, id, tag string, cause error) error {
	e := channels.AsSendError(cause)
	a.o.Log.Warn("call not made", "call", id, "reason", string(e.Reason), "code", e.Code, "error", e.Err)
	words := callFaults[e.Reason].In(tag)
	if e.Reason != channels.Unsure {
		err := a.store.Update(ctx, func(tx store.Tx) error {
			_, err := a.ledger.CallEnded(tx, id, "", casecore.CallEnd{Outcome: casecore.CallFailed, Code: e.Code, Reason: words})
			return err
		})
		if err != nil {
			return fmt.Errorf("note that a call failed: %w", err)
		}
	}
	return &desk.NoCall{Words: words, Code: e.Code}
}

// phoneOf returns the phone and the language of whoever acts; a program has
// neither.
func (a *App) phoneOf(ctx context.Context, by casecore.Actor) (phone, tag string, err error) {
	o, err := a.staff.Find(ctx, by.ID)
	if errors.Is(err, store.ErrNotFound) || err == nil && o.ID != by.ID {
		return "", "", nil
	}
	if err != nil {
		return "", "", fmt.Errorf("phone of an operator: %w", err)
	}
	return o.Phone, o.Lang, nil
}

// caller is the channel to call the customer of a case through: the case's own, whose
// number they know, else the first by its id that can make calls; nil while there is
// none.
func (a *App) caller(ctx context.Context, number string) (id string, c channels.Caller) {
	open := a.doors.all()
	order := slices.Sorted(maps.Keys(open))
	if n, ok := lang.ParseCaseNumber(number); ok {
		// Of a case that cannot be read, Dial will say why.
		_ = a.store.View(ctx, func(tx store.Tx) error {
			k, err := casecore.Cases.Find(tx, "number", store.NumberKey(n))
			if err == nil && open[k.Channel] != nil {
				order = slices.Insert(order, 0, k.Channel)
			}
			return err
		})
	}
	for _, id := range order {
		if c, ok := open[id].channel.(channels.Caller); ok && c.CallerID() != "" {
			return id, c
		}
	}
	return "", nil
}

// isCall says that a receipt is about a call and not about a message.
func isCall(r channels.Receipt) bool { return r.Talk != nil || casecore.IsCall(r.OutboundID) }

// callReceipt takes in a provider's word on a call. A call that nobody here knows is
// not worth a repeat.
func (a *App) callReceipt(ctx context.Context, r channels.Receipt) error {
	end, ok := casecore.EndOfCall(r)
	if !ok {
		return nil
	}
	var news bool
	err := a.store.Update(ctx, func(tx store.Tx) (err error) {
		if r.Talk == nil || !r.Talk.Incoming {
			news, err = a.ledger.CallEnded(tx, r.OutboundID, r.Channel, end)
			return err
		}
		by, err := a.staff.OfPhone(tx, r.Talk.By)
		if errors.Is(err, store.ErrNotFound) {
			by, err = casecore.System("calls"), nil
		}
		if err != nil {
			return err
		}
		news, err = a.ledger.CallTaken(tx, by, r.Channel, r.ProviderID, end)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		a.o.Log.Warn("word on a call that is not known", "channel", r.Channel)
		return nil
	}
	if err != nil {
		return fmt.Errorf("receipt of a call on %s: %w", r.Channel, err)
	}
	a.o.Log.Debug("word on a call", "channel", r.Channel, "outcome", end.Outcome, "news", news)
	return nil
}

// sweepCalls says of calls that were left open that nobody knows what became of
// them: the process ended before it could be told, or the provider never told.
func (a *App) sweepCalls(ctx context.Context) (int, error) {
	var lost []casecore.OpenCall
	err := a.store.View(ctx, func(tx store.Tx) (err error) {
		lost, err = casecore.LostCalls(tx, a.o.Now(), sweepBatch)
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, call := range lost {
		_, tag, err := a.phoneOf(ctx, casecore.Actor{ID: call.By})
		if err != nil {
			return 0, err
		}
		words := neverAsked
		if call.Placed {
			words = neverTold
		}
		err = a.store.Update(ctx, func(tx store.Tx) error {
			_, err := a.ledger.CallEnded(tx, call.ID, "", casecore.CallEnd{Outcome: casecore.CallUnknown, Reason: words.In(tag)})
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	return len(lost), nil
}

// What operators are told of calls that did not come about, in their language.
var (
	noCaller = lang.Text{
		"en": "no channel of ours can make calls", "ru": "ни один из наших каналов не умеет звонить",
		"uk": "жоден із наших каналів не вміє дзвонити", "sr": "nijedan naš kanal ne može da poziva",
	}
	neverAsked = lang.Text{
		"en": "it is not known whether the call was made: casewire was interrupted, or the provider did not answer",
		"ru": "неизвестно, состоялся ли звонок: casewire был прерван или оператор связи не ответил",
		"uk": "невідомо, чи відбувся дзвінок: casewire було перервано або оператор зв’язку не відповів",
		"sr": "ne zna se da li je poziv upućen: casewire je prekinut ili provajder nije odgovorio",
	}
	neverTold = lang.Text{
		"en": "the call was made, and the provider never told how it ended",
		"ru": "звонок начат, но оператор связи не сообщил, чем он закончился",
		"uk": "дзвінок розпочато, але оператор зв’язку не повідомив, чим він закінчився",
		"sr": "poziv je upućen, a provajder nije javio kako se završio",
	}
)

// callFaults say why a call was not made.
var callFaults = map[channels.Reason]lang.Text{
	channels.Unreachable: {
		"en": "the provider cannot be reached; try again later", "ru": "нет связи с оператором; попробуйте позже",
		"uk": "немає зв’язку з оператором; спробуйте пізніше", "sr": "provajder nije dostupan; pokušajte kasnije",
	},
	channels.Throttled: {
		"en": "the provider asks for patience; try again in a minute", "ru": "оператор просит подождать; попробуйте через минуту",
		"uk": "оператор просить зачекати; спробуйте за хвилину", "sr": "provajder traži strpljenje; pokušajte za minut",
	},
	channels.Unsure: {
		"en": "it is not known whether the call is being made; if your phone does not ring within a minute, try again",
		"ru": "неизвестно, начат ли звонок; если ваш телефон не зазвонит в течение минуты, попробуйте ещё раз",
		"uk": "невідомо, чи розпочато дзвінок; якщо ваш телефон не задзвонить протягом хвилини, спробуйте ще раз",
		"sr": "ne zna se da li je poziv upućen; ako vaš telefon ne zazvoni u roku od minuta, pokušajte ponovo",
	},
	channels.Misset: {
		"en": "the provider does not let us make this call: an administrator should look at the channel, its account, and your phone number",
		"ru": "оператор не разрешает этот звонок: администратору нужно проверить канал, учётную запись и ваш номер телефона",
		"uk": "оператор не дозволяє цей дзвінок: адміністратору слід перевірити канал, обліковий запис і ваш номер телефону",
		"sr": "provajder ne dozvoljava ovaj poziv: administrator treba da pogleda kanal, nalog i vaš broj telefona",
	},
	channels.BadAddress: {
		"en": "the customer's number cannot be called", "ru": "на номер клиента нельзя позвонить",
		"uk": "на номер клієнта не можна подзвонити", "sr": "broj klijenta ne može da se pozove",
	},
	channels.Blocked: {
		"en": "the provider does not put calls through to this number", "ru": "оператор не соединяет с этим номером",
		"uk": "оператор не з’єднує з цим номером", "sr": "provajder ne povezuje sa ovim brojem",
	},
	channels.BadContent: {
		"en": "the provider refused the call", "ru": "оператор отклонил звонок",
		"uk": "оператор відхилив дзвінок", "sr": "provajder je odbio poziv",
	},
}
