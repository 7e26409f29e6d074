#include "lb/l7/service_explain.h"

#include <array>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "lb/l7/request_match.h"
#include "persist/attachment.h"
#include "persist/mode.h"

namespace ballast::l7 {

class ServiceExplainer {
 public:
  ServiceExplainer(Instant now, const ServiceChooser& service,
                   const Client& client, Explanation* out)
      : now_(now), service_(service), client_(client), out_(out) {}

  void Explain(http::RequestHead* request) {
    const config::VirtualService& config = service_.plan_->config;
    out_->layer7 = true;
    out_->service = {{config.address, config.port}, config.protocol};
    out_->Say(absl::StrCat("service ", config.name, " ",
                           out_->service->endpoint.ToString(),
                           " of layer 7, thread ", service_.thread_));
    if (service_.application_.there()) {
      out_->Say("the application's rules and scheduler are not asked here");
    }
    const std::optional<size_t> pool = FindPool(request);
    if (!pool.has_value()) {
      out_->Refuse("no_sub_service",
                   "no sub service that is up takes this request");
      return SayDenial();
    }
    // Everything up to here was of copies; this is the decision itself.
    const auto rehearsal = service_.Rehearsal();
    ConnectionChooser chooser(*rehearsal, 0);
    const auto answer =
        request != nullptr
            ? chooser.Choose(now_, client_, 0, request)
            : chooser.Choose(now_, client_, 0, absl::string_view());
    const bool followed = rehearsal->stats().persisted.value() > 0;
    SayPersistence(chooser, *pool, followed);
    if (!followed) SayObstacles(*pool);
    const auto* choice = std::get_if<ServerChoice>(&answer);
    if (choice == nullptr) {
      out_->Refuse("no_server",
                   "no server can take it, and there is no sorry server");
      return SayDenial();
    }
    const bool sorry = rehearsal->stats().sorry.value() > 0;
    out_->Give(choice->server, followed ? "persistence"
                               : sorry  ? "sorry_server"
                                        : "schedule");
    if (choice->source.address != Address() &&
        choice->source.address != client_.address.address) {
      out_->source = choice->source;
    }
    out_->Say(absl::StrCat(out_->reason, ": ", choice->server.ToString()));
  }

 private:
  std::optional<size_t> FindPool(const http::RequestHead* request) {
    const auto& subs = service_.plan_->config.l7->sub_services;
    if (subs.empty() || request == nullptr) return 0;
    const auto pool = service_.Rehearsal()->PoolFor(now_, *request);
    for (size_t i = 0; i < subs.size() && i != pool; ++i) {
      const bool up =
          service_.pools_[i].chooser.up() || subs[i].sorry_server.has_value();
      const char* why = !subs[i].enabled          ? "disabled"
                        : subs[i].weight == 0     ? "of weight 0"
                        : !up                     ? "down"
                        : subs[i].matches.empty() ? ""
                        : !MatchesAny(subs[i].matches, *request)
                            ? "its matches are not this request's"
                            : "";
      if (*why == '\0') continue;
      out_->Say(absl::StrCat("sub service ", subs[i].name, ": ", why));
    }
    if (!pool.has_value()) return std::nullopt;
    out_->sub_service = subs[*pool].name;
    out_->Say(absl::StrCat("sub service ", subs[*pool].name, ": ",
                           subs[*pool].matches.empty()
                               ? "its turn among those without matches"
                               : "the first that matches"));
    return pool;
  }

  void SayPersistence(const ConnectionChooser& chooser, size_t pool,
                      bool followed) {
    const ServiceChooser::Pool& served = service_.pools_[pool];
    if (served.persistence.mode == persist::Mode::kNone) return;
    const auto seen = chooser.tie_.Look(
        now_, [&](uint32_t id) { return served.chooser.Standing(id); });
    if (!seen.entry.has_value()) {
      return out_->Say(absl::StrCat("persistence ",
                                    persist::ModeName(served.persistence.mode),
                                    ": nothing to go by, or no entry of it"));
    }
    ExplainedEntry& entry = out_->persistence.emplace();
    entry.mode = std::string(persist::ModeName(seen.entry->kind));
    const std::array<uint8_t, 16> digest = seen.entry->id.digest.bytes();
    entry.key = absl::BytesToHexString(
        {reinterpret_cast<const char*>(digest.data()), digest.size()});
    if (served.chooser.Has(seen.entry->server)) {
      entry.server = served.chooser.EndpointOf(seen.entry->server);
    }
    entry.expires_in = seen.entry->started + seen.entry->timeout - now_;
    entry.followed = followed;
    out_->Say(absl::StrCat(
        "persistence ", entry.mode, ": an entry names ",
        entry.server ? entry.server->ToString() : "a server that has gone",
        " for ", absl::ToInt64Seconds(entry.expires_in), " s more: ",
        followed ? "followed"
        : seen.follow == persist::Follow::kPassBy
            ? "kept, that one is at its limit"
            : "dropped, that one is down or disabled"));
  }

  void SayObstacles(size_t pool) {
    constexpr size_t kMax = 16;
    const PoolChooser& chooser = service_.pools_[pool].chooser;
    const std::vector<std::string> all = chooser.Obstacles();
    for (size_t i = 0; i < all.size() && i < kMax; ++i) {
      out_->Say(absl::StrCat("server ", all[i]));
    }
    if (all.size() > kMax) {
      out_->Say(absl::StrCat(all.size() - kMax, " servers more take nothing"));
    }
    if (!chooser.up()) {
      out_->Say(
          "it is down: too few of its servers, or not one that must be there, "
          "can take anything");
    }
  }

  void SayDenial() {
    const config::L7Service& l7 = *service_.plan_->config.l7;
    if (l7.type != config::L7Type::kHttp) {
      out_->Say("the connection is closed");
    } else {
      out_->Say(absl::StrCat("the answer is ", l7.error_code,
                             l7.error_url.empty() ? "" : " to ", l7.error_url));
    }
  }

  const Instant now_;
  const ServiceChooser& service_;
  const Client& client_;
  Explanation* const out_;
};

void ExplainService(Instant now, const ServiceChooser& service,
                    const Client& client, http::RequestHead* request,
                    Explanation* out) {
  ServiceExplainer(now, service, client, out).Explain(request);
}

}  // namespace ballast::l7
