package gate

import (
	"time"

	"github.com/strixlabs/execution-kernel/internal/grant"
	"github.com/strixlabs/execution-kernel/internal/ledger"
	"github.com/strixlabs/execution-kernel/internal/store"
)

// orphanAfter is how long after its time a grant of another node is ended by
// any that knows of it: the one that issued it may be gone.
const orphanAfter = 10 * time.Second

// unread reports whether a grant is known from the log of another node alone.
func (v versionedGrant) unread() bool { return v.version == 0 }

// noticeGrant takes from an entry what became of a grant of another node.
func (g *Gate) noticeGrant(row store.Entry) error {
	if row.Shard == g.shard() || row.Kind != string(ledger.KindGrant) {
		return nil
	}
	e, err := ledger.Decode(row.Body)
	if err != nil {
		return err
	}
	if e.Grant.Change != ledger.GrantIssued {
		g.grants.close([]string{e.Grant.ID})
		return nil
	}
	g.grants.notice(versionedGrant{Record: grant.Record{
		ID: e.Grant.ID, State: grant.Issued, Agent: e.Grant.Agent, Action: e.Grant.Action,
		IssuedAt: e.Instant, ExpiresAt: e.Grant.Expires.Add(orphanAfter),
	}})
	return nil
}

// notice adds a grant that is not known yet.
func (s *grants) notice(v versionedGrant) {
	s.mu.Lock()
	_, known := s.open[v.ID]
	s.mu.Unlock()
	if !known {
		s.add(v)
	}
}
