#include "lb/health/http_dialogue.h"

#include <re2/re2.h>

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "io/base/check.h"
#include "lb/http/head.h"

namespace ballast::health {
namespace {

constexpr const char* kMethods[] = {"HEAD", "GET", "POST", "OPTIONS"};
constexpr http::Method kHttpMethods[] = {
    http::Method::kHead, http::Method::kGet, http::Method::kPost,
    http::Method::kOptions};
constexpr int kDefaultCodes[] = {301, 302, 401};

http::Method MethodOf(HttpMethod method) {
  return kHttpMethods[static_cast<size_t>(method)];
}

}  // namespace

// -- HttpCheck ----------------------------------------------------------------

HttpCheck::HttpCheck(const Options& options) : options_(options) {
  request_ = absl::StrCat(kMethods[static_cast<size_t>(options.method)], " ",
                          options.url,
                          options.http11 ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n");
  if (options.http11) {
    absl::StrAppend(&request_, "Host: ", options.host,
                    "\r\nConnection: close\r\n");
  }
  for (const auto& [name, value] : options.headers) {
    absl::StrAppend(&request_, name, ": ", value, "\r\n");
  }
  if (options.method == HttpMethod::kPost) {
    absl::StrAppend(&request_, "Content-Length: ", options.body.size(), "\r\n");
  }
  absl::StrAppend(&request_, "\r\n");
  if (options.method == HttpMethod::kPost) {
    absl::StrAppend(&request_, options.body);
  }
}

HttpCheck::~HttpCheck() = default;

absl::StatusOr<std::shared_ptr<const HttpCheck>> HttpCheck::Create(
    const Options& options) {
  BALLAST_CHECK(!options.http11 || !options.host.empty());
  std::shared_ptr<HttpCheck> check(new HttpCheck(options));
  if (!options.pattern.empty()) {
    re2::RE2::Options pattern(re2::RE2::Latin1);  // Bodies are bytes.
    pattern.set_log_errors(false);
    check->pattern_ = std::make_unique<re2::RE2>(options.pattern, pattern);
    if (!check->pattern_->ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat("not a regular expression: ", check->pattern_->error()));
    }
  }
  return std::shared_ptr<const HttpCheck>(std::move(check));
}

bool HttpCheck::GoodCode(int code) const {
  if (code >= 200 && code <= 299) return true;
  if (options_.codes.empty()) {
    return std::find(std::begin(kDefaultCodes), std::end(kDefaultCodes),
                     code) != std::end(kDefaultCodes);
  }
  return std::find(options_.codes.begin(), options_.codes.end(), code) !=
         options_.codes.end();
}

bool HttpCheck::wants_body() const {
  return pattern_ != nullptr && (options_.method == HttpMethod::kGet ||
                                 options_.method == HttpMethod::kPost);
}

bool HttpCheck::Matches(absl::string_view body) const {
  return re2::RE2::PartialMatch(re2::StringPiece(body.data(), body.size()),
                                *pattern_);
}

// -- HttpDialogue -------------------------------------------------------------

HttpDialogue::HttpDialogue(std::shared_ptr<const HttpCheck> check)
    : ResponseDialogue(MethodOf(check->method())), check_(std::move(check)) {}

Dialogue::Step HttpDialogue::OnStatus(int status) {
  if (!check_->GoodCode(status)) {
    return Down(absl::StrCat("HTTP status ", status));
  }
  if (status > 299 || !check_->wants_body()) return Up();
  return {};
}

Dialogue::Step HttpDialogue::OnBody(absl::string_view bytes) {
  absl::StrAppend(&body_, bytes.substr(0, kKeptMax - body_.size()));
  return body_.size() == kKeptMax ? OnWhole() : Step();
}

Dialogue::Step HttpDialogue::OnWhole() {
  if (check_->Matches(body_)) return Up();
  return Down(absl::StrCat("the pattern is not in the ", body_.size(),
                           " bytes of the body"));
}

}  // namespace ballast::health
