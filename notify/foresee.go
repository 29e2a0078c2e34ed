package notify

import (
	"slices"
	"time"

	"casewire/casecore"
	"casewire/casecore/store"
	"casewire/channels"
)

// Foreseen is what a customer would be told of an event that has not happened.
type Foreseen struct {
	Message   casecore.Message // as it would be written; empty when nobody can be told
	To        channels.Address
	Due       time.Time // when it would go out
	Reason    string    // why the customer cannot be told: NoAddress, AllShut
	TakesBack bool      // nothing is told, and what waits to be told is taken back
}

// Foresee returns what the planner would do if this event happened to the case
// now; nil when the customer would be told nothing. It writes nothing.
func (p *Planner) Foresee(tx store.Tx, e *casecore.Event, c *casecore.Case) (*Foreseen, error) {
	slip, err := slipBefore(tx, e)
	if err != nil {
		return nil, err
	}
	policy := p.policy()
	plan := slices.DeleteFunc(policy.Plan(e), Planned.aside)
	if len(slip.over) > 0 && (len(plan) == 0 || !slip.news(plan[0])) {
		return &Foreseen{TakesBack: true}, nil
	}
	if len(plan) == 0 {
		return nil, nil
	}
	if recent, err := p.told(tx, c, plan[0]); err != nil || recent {
		return nil, err
	}
	who, err := customer(tx, c)
	if err != nil {
		return nil, err
	}
	at, err := p.recipient(tx, e, c, who, plan[0])
	if err != nil {
		return nil, err
	}
	if at.channel == "" || at.to.Handle == "" {
		return &Foreseen{Reason: at.reason}, nil
	}
	m := p.words(policy, e, c, who, plan[0].Template, at)
	return &Foreseen{Message: m, To: at.to, Due: policy.when(e, plan[0].Template, who, p.ledger.Now())}, nil
}
