#include "lb/run/server_news.h"

#include <utility>

namespace ballast::run {

ServerNews::News& ServerNews::Owe(size_t thread, const Server& server) {
  std::shared_ptr<Owed>& owed = owed_[thread];
  if (owed == nullptr) owed = std::make_shared<Owed>();
  News& news = (*owed)[server.id];
  news.chooser = server.choosers[thread];
  news.endpoint = server.endpoint;
  news.service = server.service;
  return news;
}

void ServerNews::Health(const Server& server, bool up) {
  for (size_t i = 0; i < threads_.size(); ++i) Owe(i, server).up = up;
}

void ServerNews::Weight(const Server& server, uint32_t weight) {
  for (size_t i = 0; i < threads_.size(); ++i) Owe(i, server).weight = weight;
}

void ServerNews::Cut(const Server& server) {
  for (size_t i = 0; i < threads_.size(); ++i) Owe(i, server).cut = true;
}

void ServerNews::Send() {
  for (size_t i = 0; i < threads_.size(); ++i) {
    if (owed_[i] == nullptr) continue;
    const bool taken =
        threads_[i]->Post([owed = owed_[i]](ProxyThread& thread) {
          // Health first: what is cut must not come back.
          for (const auto& [id, news] : *owed) {
            if (news.up) news.chooser->SetHealthy(thread.Now(), id, *news.up);
            if (news.weight) {
              news.chooser->SetWeight(thread.Now(), id, *news.weight);
            }
          }
          for (const auto& [id, news] : *owed) {
            if (news.cut) thread.CutServer(id, news.service, news.endpoint);
          }
        });
    if (taken) {
      owed_[i] = nullptr;
    } else {
      ++refused_;
    }
  }
}

}  // namespace ballast::run
