#include "lb/l7/stream_connection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>

#include "lb/l7/rig.h"

namespace ballast::l7 {
namespace {

using testing::ElementsAre;

class StreamConnectionTest : public testing::Test {
 protected:
  using StreamRig = Rig<StreamConnection>;
  void Start() {
    rig_ = std::make_unique<StreamRig>(settings, &counters);
    rig_->Do(rig_->connection.Start(rig_->now));
  }
  StreamRig& rig() {
    if (rig_ == nullptr) Start();
    return *rig_;
  }

  StreamSettings settings;
  Counters counters;
  std::unique_ptr<StreamRig> rig_;
};

// LoadMaster behaviour §4.4.
TEST_F(StreamConnectionTest, TheServerIsChosenWhenTheClientHasSpoken) {
  rig();
  EXPECT_EQ(rig().TakeLog(), "");
  rig().Client("HELO");
  EXPECT_EQ(rig().TakeLog(), "connect:1 ");
  EXPECT_THAT(rig().chooser.asked, ElementsAre("[HELO] 0"));
  rig().Client(" x");
  rig().Connected();
  EXPECT_EQ(rig().TakeServer(), "HELO x");
  rig().Server("250 x");
  EXPECT_EQ(rig().TakeClient(), "250 x");
}

TEST_F(StreamConnectionTest, OrAtOnceIfTheServerSpeaksFirst) {
  settings.server_speaks_first = true;
  rig();
  EXPECT_EQ(rig().TakeLog(), "connect:1 ");
  rig().Connected();
  rig().Server("220 x");
  EXPECT_EQ(rig().TakeClient(), "220 x");
}

TEST_F(StreamConnectionTest, TheChooserMaySeeMoreOfTheFirstBytes) {
  Start();
  rig().chooser.client_awaited = 3;
  rig().Client("a");
  rig().Client("b");
  EXPECT_EQ(rig().TakeLog(), "");
  EXPECT_TRUE(rig().read_client);
  rig().Client("c");
  EXPECT_THAT(rig().chooser.asked, ElementsAre("[abc] 0"));
  rig().Client("d");
  rig().Failed();
  EXPECT_THAT(rig().chooser.asked, ElementsAre("[abc] 0", "[abcd] 1"));
  rig().Connected();
  EXPECT_EQ(rig().TakeServer(), "abcd");
}

TEST_F(StreamConnectionTest, AndHasToDoWithWhatThereIs) {
  const auto begin = [&] {
    Start();
    rig().chooser.client_awaited = 100;
    rig().Client("a");
  };
  begin();  // A client that is slow: ten seconds from its first byte.
  rig().Pass(absl::Seconds(9));
  rig().Client("b");
  EXPECT_EQ(rig().TakeLog(), "");
  rig().Pass(absl::Seconds(1));
  EXPECT_EQ(rig().TakeLog(), "connect:1 ");
  rig().Connected();
  EXPECT_EQ(rig().TakeServer(), "ab");
  rig().Pass(absl::Seconds(600));
  EXPECT_FALSE(rig().client_closed);
  begin();  // One that sends no more.
  rig().ClientEnd();
  rig().Connected();
  EXPECT_EQ(rig().TakeServer(), "a");
  EXPECT_EQ(rig().TakeLog(), "connect:1 end-server ");
  begin();  // One that sends too much.
  rig().Client(std::string(settings.buffer_max, 'b'));
  EXPECT_EQ(rig().TakeLog(), "connect:1 ");
  Start();  // Nothing at all: an idle one.
  rig().Pass(absl::Seconds(10));
  EXPECT_EQ(rig().TakeLog(), "");
}

TEST_F(StreamConnectionTest, TheChooserMaySeeWhatTheServerSaysFirst) {
  Start();
  rig().chooser.server_awaited = 2;
  rig().Client("a");
  rig().Failed();
  rig().Connected();
  for (const char* bytes : {"x", "y", "z"}) rig().Server(bytes);
  EXPECT_THAT(rig().chooser.server_read, ElementsAre("2 x", "2 y"));
  EXPECT_EQ(rig().TakeClient(), "xyz");
}

TEST_F(StreamConnectionTest, HalfClosesPass) {
  rig().Client("a");
  rig().Connected();
  rig().ClientEnd();
  EXPECT_EQ(rig().TakeLog(), "connect:1 end-server ");
  rig().Server("answer");
  EXPECT_EQ(rig().TakeClient(), "answer");
  rig().ServerEnd();
  EXPECT_EQ(rig().TakeLog(), "close-server close-client ");
  EXPECT_THAT(rig().chooser.ended, ElementsAre("1 tunnelled"));
}

TEST_F(StreamConnectionTest, AnEndPassesAfterTheBytesBeforeIt) {
  rig().hold_client = true;
  rig().Client("a");
  rig().Connected();
  rig().Server("b");
  rig().Server("c");
  rig().ServerEnd();
  rig().TakeLog();
  rig().FinishClientSend();
  EXPECT_EQ(rig().TakeLog(), "");
  EXPECT_EQ(rig().TakeClient(), "bc");
  rig().FinishClientSend();
  EXPECT_EQ(rig().TakeLog(), "end-client ");
}

TEST_F(StreamConnectionTest, AClientThatLeavesBeforeSpeakingCostsNoServer) {
  rig().ClientEnd();
  EXPECT_EQ(rig().TakeLog(), "close-client ");
  EXPECT_THAT(rig().chooser.asked, testing::IsEmpty());
}

TEST_F(StreamConnectionTest, AClientMayEndBeforeTheServerIsThere) {
  rig().Client("a");
  rig().ClientEnd();
  rig().Connected();
  EXPECT_EQ(rig().TakeServer(), "a");
  EXPECT_EQ(rig().TakeLog(), "connect:1 end-server ");
}

TEST_F(StreamConnectionTest, ResetsPassAsResets) {
  rig().Client("a");
  rig().Connected();
  rig().ServerGone();
  EXPECT_EQ(rig().TakeLog(), "connect:1 close-server reset-client ");
  EXPECT_THAT(rig().chooser.ended, ElementsAre("1 server_broke"));
  Start();
  rig().Client("a");
  rig().Connected();
  rig().ClientGone();
  EXPECT_EQ(rig().TakeLog(), "connect:1 close-server reset-client ");
}

TEST_F(StreamConnectionTest, ServersThatCannotBeReachedAreReplaced) {
  rig().Client("a");
  rig().Failed();
  rig().Pass(absl::Seconds(4));
  EXPECT_EQ(rig().TakeLog(), "connect:1 connect:2 close-server connect:3 ");
  rig().Connected();
  EXPECT_EQ(rig().TakeServer(), "a");
  Start();
  rig().Client("a");
  for (int i = 0; i < 3; ++i) rig().Failed();
  EXPECT_TRUE(rig().client_closed);
  EXPECT_EQ(rig().chooser.open, 0);
}

TEST_F(StreamConnectionTest, ADenialIsAReset) {
  rig().chooser.script = {Denial{}};
  rig().Client("a");
  EXPECT_EQ(rig().TakeLog(), "reset-client ");
  EXPECT_EQ(counters.denied.value(), 1u);
}

TEST_F(StreamConnectionTest, IdleStreamsEndAfter660Seconds) {
  rig().Client("a");
  rig().Connected();
  rig().Pass(absl::Seconds(659));
  rig().Server("b");
  rig().Pass(absl::Seconds(659));
  EXPECT_FALSE(rig().client_closed);
  rig().Pass(absl::Seconds(1));
  EXPECT_TRUE(rig().client_closed);
  Start();
  rig().Pass(absl::Seconds(660));
  EXPECT_EQ(rig().TakeLog(), "close-client ");
}

TEST_F(StreamConnectionTest, BothDirectionsAreBounded) {
  settings.buffer_max = 1000;
  rig().hold_client = rig().hold_server = true;
  rig().Client(std::string(999, 'a'));
  EXPECT_TRUE(rig().read_client);
  rig().Client("b");
  EXPECT_FALSE(rig().read_client);
  rig().Connected();
  EXPECT_FALSE(rig().read_client);
  rig().Server(std::string(1000, 'c'));
  EXPECT_FALSE(rig().read_server);
  rig().FinishClientSend();
  EXPECT_TRUE(rig().read_server);
  rig().FinishServerSend();
  EXPECT_TRUE(rig().read_client);
}

// Whatever order bytes, ends and sends come in, each direction delivers a
// prefix of what went in, and all of it if both ended well.
TEST_F(StreamConnectionTest, NothingIsLostOrDoubled) {
  for (uint32_t seed = 0; seed < 500; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 prng(seed);
    settings.buffer_max = 1 + prng() % 200;
    settings.server_speaks_first = prng() % 2 == 0;
    Start();
    std::string from_client, from_server;
    bool client_ended = false, server_ended = false;
    uint8_t next = 0;
    for (int i = 0; i < 400 && !rig().client_closed; ++i) {
      rig().hold_client = prng() % 2 == 0;
      rig().hold_server = prng() % 2 == 0;
      std::string bytes(1 + prng() % 50, '\0');
      for (char& c : bytes) c = static_cast<char>(next++);
      switch (prng() % 6) {
        case 0:
        case 1:
          if (!rig().read_client || client_ended) break;
          from_client += bytes;
          rig().Client(bytes);
          break;
        case 2:
          if (!rig().read_server) break;
          from_server += bytes;
          rig().Server(bytes);
          break;
        case 3:
          if (rig().connecting) rig().Connected();
          break;
        case 4:
          if (rig().client_sending) rig().FinishClientSend();
          if (!rig().client_closed && rig().server_sending) {
            rig().FinishServerSend();
          }
          break;
        default:
          if (i < 300) break;
          if (!client_ended) {
            client_ended = true;
            rig().ClientEnd();
          } else if (rig().server_up && !server_ended) {
            server_ended = true;
            rig().ServerEnd();
          }
      }
    }
    if (client_ended && server_ended && rig().client_closed) {
      EXPECT_EQ(rig().to_server, from_client);
      EXPECT_EQ(rig().to_client, from_server);
    } else {
      EXPECT_EQ(rig().to_server, from_client.substr(0, rig().to_server.size()));
      EXPECT_EQ(rig().to_client, from_server.substr(0, rig().to_client.size()));
    }
  }
}

}  // namespace
}  // namespace ballast::l7
