#include "lb/l4/tcp_state.h"

#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace ballast::l4 {
namespace {

using S = TcpState;

// The three tables as the protocol notes print them, from Linux 6.1's
// ip_vs_proto_tcp.c (tcp_states[]): states 0..10 left to right.
struct PrintedTable {
  const char* name;
  TcpView view;
  const char* rows;
};

const PrintedTable kPrinted[] = {
    {"FromClient", TcpView::kFromClient,
     "SYN | 3 | 1 | 1 | 3 | 3 | 3 | 3 | 3 | 3 | 3 | 3 |\n"
     "FIN | 6 | 7 | 2 | 5 | 5 | 5 | 6 | 7 | 8 | 9 | 5 |\n"
     "ACK | 1 | 1 | 2 | 1 | 4 | 5 | 6 | 7 | 6 | 9 | 1 |\n"
     "RST | 6 | 6 | 6 | 3 | 6 | 6 | 6 | 6 | 8 | 9 | 3 |\n"},
    {"FromServer", TcpView::kFromServer,
     "SYN | 2 | 1 | 2 | 3 | 2 | 2 | 2 | 2 | 2 | 9 | 3 |\n"
     "FIN | 5 | 4 | 2 | 5 | 4 | 5 | 6 | 5 | 8 | 9 | 5 |\n"
     "ACK | 1 | 1 | 2 | 1 | 4 | 5 | 6 | 7 | 8 | 1 | 1 |\n"
     "RST | 6 | 6 | 2 | 6 | 6 | 5 | 6 | 6 | 6 | 6 | 6 |\n"},
    {"FromClientOnly", TcpView::kFromClientOnly,
     "SYN | 3 | 1 | 1 | 3 | 3 | 3 | 3 | 3 | 3 | 3 | 3 |\n"
     "FIN | 6 | 4 | 2 | 5 | 4 | 5 | 6 | 7 | 8 | 9 | 5 |\n"
     "ACK | 1 | 1 | 2 | 1 | 4 | 5 | 6 | 7 | 6 | 9 | 1 |\n"
     "RST | 6 | 6 | 6 | 3 | 6 | 6 | 6 | 6 | 8 | 9 | 6 |\n"},
};

// What a packet that only this row decides may carry: lesser flags, PSH and
// URG (and the two ECN bits) besides, in every combination.
std::vector<uint8_t> FlagsDecidedBy(const std::string& row) {
  uint8_t needed = 0;
  uint8_t optional = 0xe8;  // CWR, ECE, URG, PSH.
  if (row == "RST") {
    needed = 0x04;
    optional |= 0x13;
  } else if (row == "SYN") {
    needed = 0x02;
    optional |= 0x11;
  } else if (row == "FIN") {
    needed = 0x01;
    optional |= 0x10;
  } else if (row == "ACK") {
    needed = 0x10;
  }
  std::vector<uint8_t> all;
  for (int flags = 0; flags < 256; ++flags) {
    if ((flags & needed) == needed && (flags & ~(needed | optional)) == 0) {
      all.push_back(static_cast<uint8_t>(flags));
    }
  }
  return all;
}

class TcpStateTableTest : public ::testing::TestWithParam<PrintedTable> {};

TEST_P(TcpStateTableTest, EveryCellIsAsPrinted) {
  std::istringstream rows(GetParam().rows);
  std::string row;
  int row_count = 0;
  while (rows >> row) {
    ++row_count;
    for (int state = 0; state < 11; ++state) {
      char bar;
      int next;
      ASSERT_TRUE(rows >> bar >> next);
      for (const uint8_t flags : FlagsDecidedBy(row)) {
        EXPECT_EQ(static_cast<int>(NextTcpState(GetParam().view, flags,
                                                static_cast<S>(state))),
                  next)
            << row << " in " << state << ", flags " << int{flags};
      }
    }
    char bar;
    rows >> bar;
  }
  EXPECT_EQ(row_count, 4);
}

TEST_P(TcpStateTableTest, NoneOfTheFourFlagsCloses) {
  for (const uint8_t flags : FlagsDecidedBy("none")) {
    for (int state = 0; state < 11; ++state) {
      EXPECT_EQ(NextTcpState(GetParam().view, flags, static_cast<S>(state)),
                S::kClose);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(, TcpStateTableTest, ::testing::ValuesIn(kPrinted),
                         [](const auto& info) { return info.param.name; });

// Sequences seen with a running kernel (6.1.176).
S After(S state, std::vector<std::pair<TcpView, uint8_t>> packets) {
  for (const auto& [view, flags] : packets) {
    state = NextTcpState(view, flags, state);
  }
  return state;
}
constexpr TcpView kClient = TcpView::kFromClient;
constexpr TcpView kServer = TcpView::kFromServer;
constexpr TcpView kClientOnly = TcpView::kFromClientOnly;
constexpr uint8_t kTcpFin = 0x01;
constexpr uint8_t kTcpSyn = 0x02;
constexpr uint8_t kTcpRst = 0x04;
constexpr uint8_t kTcpAck = 0x10;
constexpr uint8_t kFinAck = kTcpFin | kTcpAck;

TEST(TcpStateSequenceTest, HandshakeUnderNat) {
  S state = After(S::kNone, {{kClient, kTcpSyn}});
  EXPECT_EQ(state, S::kSynReceived);
  state = After(state, {{kServer, kTcpSyn | kTcpAck}});
  EXPECT_EQ(state, S::kSynReceived);
  EXPECT_EQ(After(state, {{kClient, kTcpAck}}), S::kEstablished);
}

TEST(TcpStateSequenceTest, ServerClosesFirst) {
  S state = After(S::kEstablished, {{kServer, kFinAck}});
  EXPECT_EQ(state, S::kFinWait);
  state = After(state, {{kClient, kTcpAck}});
  EXPECT_EQ(state, S::kFinWait);
  EXPECT_EQ(After(state, {{kClient, kFinAck}}), S::kTimeWait);
}

TEST(TcpStateSequenceTest, ClientClosesFirst) {
  S state = After(S::kEstablished, {{kClient, kFinAck}});
  EXPECT_EQ(state, S::kCloseWait);
  state = After(state, {{kServer, kTcpAck}});
  EXPECT_EQ(state, S::kCloseWait);
  EXPECT_EQ(After(state, {{kServer, kFinAck}}), S::kTimeWait);
}

TEST(TcpStateSequenceTest, DirectReturnClientCloses) {
  EXPECT_EQ(After(S::kNone, {{kClientOnly, kTcpSyn}, {kClientOnly, kTcpAck}}),
            S::kEstablished);
  EXPECT_EQ(After(S::kEstablished, {{kClientOnly, kFinAck}}), S::kFinWait);
}

TEST(TcpStateSequenceTest, ClientResetInSynReceivedChangesNothing) {
  EXPECT_EQ(After(S::kSynReceived, {{kClient, kTcpRst}}), S::kSynReceived);
}

TEST(TcpTimeoutTest, AreIpvssOwn) {
  const uint32_t printed[] = {2, 900, 120, 60, 120, 120, 10, 60, 30, 120, 120};
  for (int state = 0; state < 11; ++state) {
    EXPECT_EQ(IpvsTcpTimeout(static_cast<S>(state)), printed[state]) << state;
  }
  EXPECT_EQ(kIpvsUdpTimeout, 300u);
}

TEST(TcpTimeoutTest, ServiceIdleStandsInForEstablishedAndUdpOnly) {
  for (int state = 0; state < 11; ++state) {
    EXPECT_EQ(TcpIdleTimeout(static_cast<S>(state), 660),
              state == 1 ? 660 : IpvsTcpTimeout(static_cast<S>(state)));
  }
  EXPECT_EQ(UdpIdleTimeout(660), 660u);
  EXPECT_EQ(TcpIdleTimeout(S::kEstablished, 0), 900u);
  EXPECT_EQ(UdpIdleTimeout(0), 300u);
}

TEST(TcpSyncTest, SyncedAndInactiveStates) {
  // Marked "synced" in the notes: 1, 4, 5, 6, 7. Inactive is cleared in
  // ESTABLISHED, SYN_SENT, SYN_RECV and SYNACK: 1, 2, 3, 10.
  for (int state = 0; state < 11; ++state) {
    const S s = static_cast<S>(state);
    EXPECT_EQ(IsSyncedTcpState(s), state == 1 || (state >= 4 && state <= 7));
    EXPECT_EQ(IsInactiveTcpState(s),
              !(state == 1 || state == 2 || state == 3 || state == 10));
  }
}

}  // namespace
}  // namespace ballast::l4
