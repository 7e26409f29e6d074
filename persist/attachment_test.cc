#include "persist/attachment.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "io/base/address.h"
#include "io/base/instant.h"
#include "io/base/siphash.h"
#include "persist/active_cookie.h"
#include "persist/extract.h"
#include "persist/follow.h"
#include "persist/key_store.h"
#include "persist/mode.h"
#include "persist/request_view.h"
#include "persist/settings.h"

namespace ballast::persist {
namespace {

constexpr Instant kStart = Instant::FromNanos(86'400'000'000'000);
constexpr absl::Duration kTimeout = absl::Minutes(6);
constexpr absl::Duration kTick = absl::Nanoseconds(1);
constexpr SipKey kSecret = {1, 2};

// A service with two servers and round robin, and clients that keep cookies.
class Site {
 public:
  explicit Site(Settings settings, absl::Duration timeout = kTimeout)
      : settings_(std::move(settings)),
        cookies_(7, std::span(&kSecret, 1)),
        store_(KeyStore::Create({.limit = 100, .huge_pages = false}).value()) {
    service_ = {
        .table = 1, .key_secret = {3, 4}, .timeout = timeout, .refresh = true};
  }

  struct Visit {
    uint32_t server = 0;
    std::string set_cookie;  // An active cookie's value.
  };
  // One connection with one request, at `now`, by a client that sends `cookie`.
  Visit Request(Instant now, const std::string& cookie,
                const Address& client = Address::V4(1)) {
    const FieldList fields(std::vector<FieldList::Field>{{"Cookie", cookie}});
    const Extraction found = ExtractKey(
        settings_, &cookies_,
        {.target = "/", .fields = fields, .client = client}, scratch_);
    Attachment tie(*store_, service_, found);
    auto server = tie.Find(now, [&](uint32_t s) { return standing[s]; });
    if (!server.has_value()) server = tie.Claim(now, next_server);
    tie.Established(now, *server, true);
    Visit visit{.server = *server};
    if (tie.issue_cookie()) {
      visit.set_cookie = cookies_.Make(client, 0, ++unique_);
      tie.Learn(now, {Mode::kActiveCookie, visit.set_cookie}, *server);
    }
    return visit;
  }
  // As the server that answered sets a cookie.
  void Answer(Instant now, uint32_t server, const std::string& set_cookie) {
    const FieldList fields(
        std::vector<FieldList::Field>{{"Set-Cookie", set_cookie}});
    Attachment tie(*store_, service_, {});
    tie.Learn(now, LearnKey(settings_, fields, scratch_).key, server);
  }

  KeyStore& store() { return *store_; }
  const Attachment::Service& service() const { return service_; }

  std::map<uint32_t, ServerStanding> standing;
  uint32_t next_server = 1;  // The scheduler's choice.

 private:
  Settings settings_;
  ActiveCookies cookies_;
  std::unique_ptr<KeyStore> store_;
  Attachment::Service service_;
  std::string scratch_;
  uint64_t unique_ = 0;
};

const Settings kServerCookie = {.mode = Mode::kServerCookie, .name = "sid"};
const Settings kActive = {.mode = Mode::kActiveCookie};

// §4.6: start, renewal, expiry.
TEST(AttachmentTest, EachConnectionInsideTheTimeoutStartsItAgain) {
  Site site(kServerCookie);
  EXPECT_EQ(site.Request(kStart, "sid=a").server, 1u);
  site.next_server = 2;
  const Instant late = kStart + kTimeout - kTick;
  EXPECT_EQ(site.Request(late, "sid=a").server, 1u);
  EXPECT_EQ(site.Request(late + kTimeout - kTick, "sid=a").server, 1u);
  EXPECT_EQ(site.Request(late + kTimeout - kTick + kTimeout, "sid=a").server,
            2u);
}

// "Server Cookie: learned from the server's Set-Cookie."
TEST(AttachmentTest, AServersCookieIsFollowedFromItsFirstUse) {
  Site site(kServerCookie);
  const uint32_t first = site.Request(kStart, "").server;
  EXPECT_EQ(site.store().size(), 0u);  // No key, no entry.
  site.Answer(kStart, first, "sid=a; Path=/");
  site.next_server = 2;
  EXPECT_EQ(site.Request(kStart, "sid=a").server, first);
  EXPECT_EQ(site.Request(kStart, "sid=b").server, 2u);
}

// §5.2, at layer 7.
TEST(AttachmentTest, WhoseServerIsDownGetsANewOneAndStaysThere) {
  Site site(kServerCookie);
  site.Request(kStart, "sid=a");
  site.standing[1].up = false;
  site.next_server = 2;
  EXPECT_EQ(site.Request(kStart, "sid=a").server, 2u);
  site.standing[1].up = true;
  site.next_server = 1;
  EXPECT_EQ(site.Request(kStart, "sid=a").server, 2u);
}

TEST(AttachmentTest, ADrainingServerKeepsItsClientsUntilTheDrainTimeEnds) {
  Site site(kServerCookie);
  site.Request(kStart, "sid=a");
  site.standing[1] = {.enabled = false,
                      .drain_end = kStart + absl::Seconds(300)};
  site.next_server = 2;
  const Instant end = kStart + absl::Seconds(300);
  EXPECT_EQ(site.Request(end - kTick, "sid=a").server, 1u);
  EXPECT_EQ(site.Request(end, "sid=a").server, 2u);
}

TEST(AttachmentTest, WhoseServerIsFullComesBackToIt) {
  Site site(kServerCookie);
  site.Request(kStart, "sid=a");
  site.standing[1].full = true;
  site.next_server = 2;
  EXPECT_EQ(site.Request(kStart, "sid=a").server, 2u);
  site.standing[1].full = false;
  EXPECT_EQ(site.Request(kStart, "sid=a").server, 1u);
}

// §4.5, Active Cookie.
TEST(AttachmentTest, AnActiveCookieIsSetOnceAndFollowed) {
  Site site(kActive);
  const Site::Visit first = site.Request(kStart, "theme=dark");
  ASSERT_EQ(first.set_cookie.size(), 32u);
  site.next_server = 2;
  const Site::Visit second =
      site.Request(kStart, absl::StrCat("LMPERSIST=", first.set_cookie));
  EXPECT_EQ(second.server, 1u);
  EXPECT_EQ(second.set_cookie, "");
  EXPECT_EQ(site.Request(kStart, "").server, 2u);  // Another user.
}

// "A cookie whose entry has expired is replaced by a new one."
TEST(AttachmentTest, AnActiveCookieThatHasExpiredIsReplaced) {
  Site site(kActive);
  const std::string old = site.Request(kStart, "").set_cookie;
  site.next_server = 2;
  const Site::Visit again =
      site.Request(kStart + kTimeout, absl::StrCat("LMPERSIST=", old));
  EXPECT_EQ(again.server, 2u);
  ASSERT_EQ(again.set_cookie.size(), 32u);
  EXPECT_NE(again.set_cookie, old);
  // The old value has no entry.
  site.next_server = 1;
  EXPECT_NE(site.Request(kStart + kTimeout, absl::StrCat("LMPERSIST=", old))
                .set_cookie,
            "");
}

// A browser's parallel connections after the server failed.
TEST(AttachmentTest, AnActiveCookieOutlivesItsServer) {
  Site site(kActive);
  const std::string cookie =
      absl::StrCat("LMPERSIST=", site.Request(kStart, "").set_cookie);
  site.standing[1].up = false;
  site.next_server = 2;
  const Site::Visit moved = site.Request(kStart, cookie);
  EXPECT_EQ(moved.server, 2u);
  EXPECT_EQ(moved.set_cookie, "");
  site.next_server = 3;
  EXPECT_EQ(site.Request(kStart, cookie).server, 2u);
}

// §4.5, Active Cookie or Source IP: "insert the cookie and record the source IP
// too".
TEST(AttachmentTest, WhoDoesNotReturnTheCookieIsKnownByItsAddress) {
  Site site({.mode = Mode::kActiveCookieOrSourceIp});
  const Site::Visit first = site.Request(kStart, "", Address::V4(9));
  EXPECT_NE(first.set_cookie, "");
  EXPECT_EQ(site.store().size(), 2u);
  site.next_server = 2;
  EXPECT_EQ(site.Request(kStart, "", Address::V4(9)).server, 1u);
  // With the cookie, from another address.
  EXPECT_EQ(site.Request(kStart, absl::StrCat("LMPERSIST=", first.set_cookie),
                         Address::V4(10))
                .server,
            1u);
}

TEST(AttachmentTest, WhatWasClaimedForAServerThatDidNotAnswerGoes) {
  Site site(kServerCookie);
  Attachment tie(site.store(), site.service(),
                 {Extraction::Outcome::kKey, {Mode::kServerCookie, "a"}});
  EXPECT_EQ(tie.Find(kStart, [](uint32_t) { return ServerStanding(); }),
            std::nullopt);
  EXPECT_EQ(tie.Claim(kStart, 1), 1u);
  tie.Failed(2);  // Not ours.
  EXPECT_EQ(site.store().size(), 1u);
  tie.Failed(1);
  EXPECT_EQ(site.store().size(), 0u);
  EXPECT_EQ(tie.Claim(kStart, 2), 2u);
}

// §4.6, alwayspersist 2: changes are stored in mid-connection; the clock is not
// started by what does not change.
TEST(AttachmentTest, ALaterRequestStoresOnlyWhatIsNew) {
  Site site(kServerCookie);
  site.Request(kStart, "sid=a");
  const Instant later = kStart + absl::Minutes(1);
  const Extraction a = {Extraction::Outcome::kKey, {Mode::kServerCookie, "a"}};
  Attachment tie(site.store(), site.service(), a);
  EXPECT_EQ(tie.Find(later, [](uint32_t) { return ServerStanding(); }), 1u);
  tie.Established(later, 1, false);
  site.next_server = 2;
  EXPECT_EQ(site.Request(kStart + kTimeout, "sid=a").server, 2u);
  tie.Established(kStart + kTimeout, 1, false);
  Attachment other(site.store(), site.service(), a);
  EXPECT_EQ(
      other.Find(kStart + kTimeout, [](uint32_t) { return ServerStanding(); }),
      1u);
}

// §4.6, Refresh Persist.
TEST(AttachmentTest, ALongConnectionRefreshesALongEntryDaily) {
  Site site(kServerCookie, absl::Hours(96));
  const Extraction a = {Extraction::Outcome::kKey, {Mode::kServerCookie, "a"}};
  Attachment tie(site.store(), site.service(), a);
  tie.Established(kStart, 1, true);
  for (Instant now = kStart; now < kStart + absl::Hours(240);
       now += absl::Hours(1)) {
    tie.Refresh(now, 1);
  }
  site.next_server = 2;
  EXPECT_EQ(site.Request(kStart + absl::Hours(300), "sid=a").server, 1u);
}

TEST(AttachmentTest, WithoutPersistenceNothingIsKept) {
  Site site({});
  EXPECT_EQ(site.Request(kStart, "sid=a").server, 1u);
  site.next_server = 2;
  EXPECT_EQ(site.Request(kStart, "sid=a").server, 2u);
  EXPECT_EQ(site.store().size(), 0u);
  Attachment none;
  EXPECT_EQ(none.Claim(kStart, 5), 5u);
  none.Established(kStart, 5, true);
  none.Failed(5);
  none.Refresh(kStart, 5);
  none.Learn(kStart, {Mode::kServerCookie, "a"}, 5);
}

}  // namespace
}  // namespace ballast::persist
