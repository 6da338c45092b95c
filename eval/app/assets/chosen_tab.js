// Sets the first input of an event, the name of the open view: empty unless a visitor chose its tab.
(_, ...given) => [window.evTab === __TITLE__ ? __VIEW__ : "", ...given]
