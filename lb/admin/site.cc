#include "lb/admin/site.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lb/admin/exposition.h"
#include "lb/admin/metrics.h"
#include "lb/admin/parameters.h"
#include "lb/admin/status_page.h"
#include "lb/admin/v1.h"

namespace ballast::admin {
namespace {

using Verdict = Authenticator::Verdict;

Reply NotFound() {
  return {.status = 404, .content_type = "text/plain", .body = "Not Found\n"};
}

// People's browsers and Prometheus read them.
template <typename Asked>
Reply TextError(const Asked&, uint16_t code, absl::string_view text) {
  return {.status = code,
          .content_type = "text/plain",
          .body = absl::StrCat(text, "\n")};
}

template <typename Asked>
Reply OwnError(const Asked&, uint16_t code, absl::string_view text) {
  V1Reply reply = V1Error(code, text);
  return {.status = reply.status,
          .content_type = "application/json",
          .body = std::move(reply.json)};
}

bool IsOfAnotherSite(const Request& request) {
  if (request.method == Method::kGet && request.path == "/") return false;
  return !request.fetch_site.empty() && request.fetch_site != "same-origin" &&
         request.fetch_site != "none";
}

}  // namespace

const Site::Route Site::kRoutes[] = {
    {"/access/", false, &Site::AskV1, &Site::AnswerApi, &Site::ApiError},
    {"/accessv2", false, &Site::AskV2, &Site::AnswerApi, &Site::ApiError},
    {"/metrics", true, &Site::AskToRead, &Site::AnswerMetrics, &TextError},
    {"/v1/", false, &Site::AskOwn, &Site::AnswerOwn, &OwnError},
    {"/", true, &Site::AskToRead, &Site::AnswerPage, &TextError},
    {"/page/", false, &Site::AskToRead, &Site::AnswerPage, &TextError},
};

Site::Site(Backend* backend, const SipKey& key, ApiOptions options)
    : backend_(backend),
      api_(backend, std::move(options)),
      authenticator_(key) {}

std::variant<Site::Asked, Reply> Site::Ask(const Request& request) const {
  for (const Route& route : kRoutes) {
    if (route.whole ? request.path != route.prefix
                    : !absl::StartsWith(request.path, route.prefix)) {
      continue;
    }
    auto asked = (this->*route.ask)(request);
    if (auto* understood = std::get_if<Asked>(&asked)) {
      understood->route = &route;
    }
    return asked;
  }
  return NotFound();
}

std::variant<Site::Asked, Reply> Site::AskV1(const Request& request) const {
  Asked asked;
  if (request.method == Method::kOther) {
    return Api::Error(Version::kV1, 405, "must be GET or POST");
  }
  asked.command = request.path.substr(request.path.find('/', 1) + 1);
  absl::Status read = ReadForm(request.query, &asked.parameters);
  if (read.ok() && request.method == Method::kPost) {
    // A file, whatever type the client gives it: curl calls it a form.
    if (absl::EqualsIgnoreCase(asked.command, "addcert")) {
      asked.parameters.Add("data", request.body);
    } else if (absl::StartsWithIgnoreCase(
                   request.content_type, "application/x-www-form-urlencoded")) {
      read = ReadForm(request.body, &asked.parameters);
    }
  }
  if (!api_.IsOpen(asked.command, asked.parameters)) return NotFound();
  if (!read.ok()) return Api::Error(Version::kV1, 400, read.message());
  asked.credentials.api_key = std::string(asked.parameters.Get("apikey"));
  ReadAuthorization(request.authorization, &asked.credentials);
  return asked;
}

// Whatever follows /accessv2 does not count (7.1).
std::variant<Site::Asked, Reply> Site::AskV2(const Request& request) const {
  Asked asked;
  asked.version = Version::kV2;
  if (request.method != Method::kPost) {
    return Api::Error(Version::kV2, 405, "must be POST");
  }
  const absl::Status read = ReadJson(request.body, &asked.parameters);
  asked.command = std::string(asked.parameters.Get("cmd"));
  if (!api_.IsOpen(asked.command, asked.parameters)) return NotFound();
  if (!read.ok()) return Api::Error(Version::kV2, 400, read.message());
  if (asked.command.empty()) {
    return Api::Error(Version::kV2, 400, "cmd: String Value missing");
  }
  Credentials& credentials = asked.credentials;
  credentials.api_key = std::string(asked.parameters.Get("apikey"));
  if (asked.parameters.Has("apiuser")) {
    credentials.user = std::string(asked.parameters.Get("apiuser"));
    credentials.password = std::string(asked.parameters.Get("apipass"));
  } else {
    ReadAuthorization(request.authorization, &credentials);
  }
  return asked;
}

std::variant<Site::Asked, Reply> Site::AskOwn(const Request& request) const {
  Asked asked;
  if (request.method == Method::kOther) {
    return OwnError(asked, 405, "must be GET or POST");
  }
  ReadAuthorization(request.authorization, &asked.credentials);
  return asked;
}

std::variant<Site::Asked, Reply> Site::AskToRead(const Request& request) const {
  Asked asked;
  if (request.method != Method::kGet) {
    return TextError(asked, 405, "must be GET");
  }
  ReadAuthorization(request.authorization, &asked.credentials);
  return asked;
}

Reply Site::ApiError(const Asked& asked, uint16_t code,
                     absl::string_view text) {
  return Api::Error(asked.version, code, text);
}

Reply Site::AnswerMetrics(absl::Time, const Request&, const Asked&,
                          const Identity&) {
  return {.content_type = std::string(kExpositionType),
          .body = MetricsText(backend_->GetStatistics())};
}

Reply Site::AnswerOwn(absl::Time now, const Request& request, const Asked&,
                      const Identity& who) {
  V1Reply reply = AnswerV1(
      now,
      {.post = request.method == Method::kPost,
       .path = request.path,
       .body = request.body,
       .content_type = request.content_type,
       .ballast_request = request.ballast_request,
       .fetch_site = request.fetch_site,
       .role = who.role,
       .author = {.user = who.Author(), .from = request.peer.ToString()}},
      backend_);
  return {.status = reply.status,
          .content_type = "application/json",
          .body = std::move(reply.json)};
}

Reply Site::AnswerPage(absl::Time, const Request& request, const Asked&,
                       const Identity&) {
  const PageFile* const file = FindPageFile(request.path);
  if (file == nullptr) return NotFound();
  Reply reply = {.content_type = std::string(file->content_type),
                 .body = std::string(file->body)};
  for (const auto& [name, value] : PageFields()) {
    reply.fields.emplace_back(name, value);
  }
  return reply;
}

Reply Site::AnswerApi(absl::Time now, const Request& request,
                      const Asked& asked, const Identity& who) {
  return api_.Run(asked.version, {.command = asked.command,
                                  .parameters = asked.parameters,
                                  .who = who,
                                  .from = request.peer.ToString(),
                                  .now = now});
}

bool Site::Flooded(absl::Time now) {
  if (!backend_->configuration().management().flood_guard()) return false;
  if (calls_.size() >= kFloodCalls) {
    if (now - calls_.front() < kFloodTime) return true;
    calls_.pop_front();
  }
  calls_.push_back(now);
  return false;
}

std::variant<Reply, PasswordCheck> Site::Handle(absl::Time now,
                                                const Request& request) {
  ++stats_.requests;
  if (IsOfAnotherSite(request)) {
    ++stats_.cross_site;
    return Reply{.status = 403,
                 .content_type = "text/plain",
                 .body = "not from another site\n"};
  }
  auto understood = Ask(request);
  if (auto* reply = std::get_if<Reply>(&understood)) return std::move(*reply);
  const Asked& asked = std::get<Asked>(understood);
  if (Flooded(now)) {
    ++stats_.flooded;
    return asked.route->error(asked, 429, "too many calls");
  }
  const auto decision =
      authenticator_.Decide(now, request.peer, asked.credentials,
                            backend_->configuration().management());
  if (decision.verdict == Verdict::kVerify) {
    return PasswordCheck{asked.credentials.password, decision.hash};
  }
  return Answer(now, request, asked, decision);
}

Reply Site::Resume(absl::Time now, const Request& request,
                   const PasswordCheck& check, bool right) {
  auto understood = Ask(request);
  if (auto* reply = std::get_if<Reply>(&understood)) return std::move(*reply);
  const Asked& asked = std::get<Asked>(understood);
  return Answer(now, request, asked,
                authenticator_.Verified(now, request.peer, asked.credentials,
                                        backend_->configuration().management(),
                                        check.hash, right));
}

Reply Site::Answer(absl::Time now, const Request& request, const Asked& asked,
                   const Authenticator::Decision& decision) {
  if (decision.verdict != Verdict::kGranted) {
    Reply reply = asked.route->error(asked, 401, "Unauthorized");
    reply.fields.emplace_back("WWW-Authenticate", "Basic realm=\"Ballast\"");
    return reply;
  }
  return (this->*asked.route->answer)(now, request, asked, decision.who);
}

}  // namespace ballast::admin
