// The texts of the element, in English and Hindi. An app that has its own pages can use them, too:
// there is a text for each word of the API (docs/mobile.md).

/**
 * @typedef {object} Texts
 * @property {Record<string, string>} element labels and sentences; `{name}` is replaced
 * @property {Record<string, string>} status by the `status` of a verification that has ended; `denied` if that is
 *   its `reason`
 * @property {Record<string, string>} call by the `status` of a call; `unheard` if `heard` is false
 * @property {Record<string, string>} reason by the `reason` of a next action
 * @property {Record<string, string>} code by the `code` of an error
 */

/**
 * By language.
 * @type {Record<string, Texts>}
 */
export const texts = {
  en: {
    element: {
      calling: 'We are calling {to} from {caller}.',
      code: 'Code from the call',
      confirm: 'Confirm',
      incomplete: 'Please enter all {count} digits of the code.',
      wrong: 'This code is not right. Please try again.',
      checks_left: 'Tries left: {count}.',
      life: 'The code is valid for {time} min.',
      call_again: 'Call me again',
      wait: 'In {time} min.',
      cancel: 'Cancel',
      start_again: 'Start again',
    },
    status: {
      approved: 'Your number is verified. Thank you.',
      canceled: 'This verification was cancelled. Please start again if you still want to log in.',
      denied: 'This login was refused on the phone. If that was a mistake, please try again later.',
      expired: 'The code has expired. Please ask for a new call.',
      max_attempts_reached: 'The code was wrong too many times. Please ask for a new call.',
    },
    call: {
      queued: 'We will call you shortly. Please keep your phone nearby.',
      dialing: 'We are calling you now.',
      placed: 'Please answer the call and listen for your code.',
      answered: 'Please enter the code you heard on the call.',
      unheard: 'The call ended before the code could be read out. Please stay on the line next time.',
      busy: 'Your phone was busy.',
      no_answer: 'You did not answer our call.',
      failed: 'The call could not be connected. Please check that your phone has network.',
      unknown: 'We could not confirm the call. If your phone rang, please enter the code you heard.',
      canceled: 'The call was cancelled.',
      expired: 'There was not enough time left for the call.',
    },
    reason: {
      call_in_progress: 'A call is already on its way to you.',
      call_gap: 'You can be called again in a moment.',
      rate_limited: 'You cannot be called again for now. Please try later.',
      too_many_wrong_codes: 'Too many wrong codes were entered for this number. Please try later.',
      too_late: 'This code is about to expire. Please start again for a new one.',
      closed: 'This verification has ended. Please start again.',
    },
    code: {
      invalid_request: 'Please check what you entered and try again.',
      unauthorized: 'We could not continue this login. Please start again.',
      token_expired: 'This login took too long. Please start again.',
      forbidden: 'This cannot be done from the app.',
      not_found: 'We could not find this verification. Please start again.',
      method_not_allowed: 'Something went wrong in the app. Please update it and try again.',
      body_too_large: 'Something went wrong in the app. Please update it and try again.',
      unsupported_media_type: 'Something went wrong in the app. Please update it and try again.',
      idempotency_mismatch: 'Something went wrong in the app. Please start again.',
      verification_closed: 'This verification has ended. Please start again.',
      no_call_yet: 'Please wait for the call. The code is spoken on the call.',
      too_late: 'This code is about to expire. Please start again for a new one.',
      invalid_number: 'This phone number does not look right. Please check it.',
      number_not_allowed: 'We cannot call this number. Please use another number.',
      rate_limited: 'You have asked for too many calls. Please try later.',
      too_many_wrong_codes: 'Too many wrong codes were entered for this number. Please try later.',
      store_unavailable: 'We cannot be reached for a moment. Please try again.',
      over_capacity: 'We are very busy right now. Please try again in a minute.',
      calls_unavailable: 'We cannot place calls right now. Please try again in a minute, or use another way.',
      internal_error: 'Something went wrong on our side. Please try again.',
    },
  },
  hi: {
    element: {
      calling: 'हम {to} पर {caller} से कॉल कर रहे हैं।',
      code: 'कॉल पर सुना हुआ कोड',
      confirm: 'पुष्टि करें',
      incomplete: 'कृपया कोड के सभी {count} अंक डालें।',
      wrong: 'यह कोड सही नहीं है। कृपया फिर से प्रयास करें।',
      checks_left: 'शेष प्रयास: {count}।',
      life: 'यह कोड {time} मिनट तक मान्य है।',
      call_again: 'मुझे फिर से कॉल करें',
      wait: '{time} मिनट में।',
      cancel: 'रद्द करें',
      start_again: 'फिर से शुरू करें',
    },
    status: {
      approved: 'आपका नंबर सत्यापित हो गया है। धन्यवाद।',
      canceled: 'यह सत्यापन रद्द कर दिया गया है। लॉग इन करना हो तो कृपया फिर से शुरू करें।',
      denied: 'यह लॉगिन फ़ोन पर अस्वीकार कर दिया गया। यदि यह गलती से हुआ, तो कृपया बाद में फिर से प्रयास करें।',
      expired: 'कोड की समय-सीमा समाप्त हो गई है। कृपया नई कॉल का अनुरोध करें।',
      max_attempts_reached: 'कोड कई बार गलत डाला गया। कृपया नई कॉल का अनुरोध करें।',
    },
    call: {
      queued: 'हम आपको जल्द ही कॉल करेंगे। कृपया अपना फ़ोन पास रखें।',
      dialing: 'हम आपको अभी कॉल कर रहे हैं।',
      placed: 'कृपया कॉल उठाएँ और अपना कोड सुनें।',
      answered: 'कृपया कॉल पर सुना हुआ कोड डालें।',
      unheard: 'कोड पूरा सुनाए जाने से पहले कॉल कट गई। कृपया अगली बार कोड सुनने तक लाइन पर बने रहें।',
      busy: 'आपका फ़ोन व्यस्त था।',
      no_answer: 'आपने हमारी कॉल नहीं उठाई।',
      failed: 'कॉल नहीं लग सकी। कृपया जाँच लें कि आपके फ़ोन में नेटवर्क है।',
      unknown: 'हम कॉल की पुष्टि नहीं कर सके। यदि आपको कॉल आई थी, तो कृपया सुना हुआ कोड डालें।',
      canceled: 'कॉल रद्द कर दी गई।',
      expired: 'कॉल करने के लिए पर्याप्त समय नहीं बचा था।',
    },
    reason: {
      call_in_progress: 'आपके लिए कॉल पहले से लगाई जा रही है।',
      call_gap: 'आपको थोड़ी देर में फिर से कॉल की जा सकेगी।',
      rate_limited: 'अभी आपको दोबारा कॉल नहीं की जा सकती। कृपया बाद में प्रयास करें।',
      too_many_wrong_codes: 'इस नंबर के लिए बहुत बार गलत कोड डाला गया है। कृपया बाद में प्रयास करें।',
      too_late: 'इस कोड की समय-सीमा समाप्त होने वाली है। नए कोड के लिए कृपया फिर से शुरू करें।',
      closed: 'यह सत्यापन समाप्त हो चुका है। कृपया फिर से शुरू करें।',
    },
    code: {
      invalid_request: 'कृपया अपनी भरी हुई जानकारी जाँचें और फिर से प्रयास करें।',
      unauthorized: 'हम यह लॉगिन जारी नहीं रख सके। कृपया फिर से शुरू करें।',
      token_expired: 'इस लॉगिन में बहुत समय लग गया। कृपया फिर से शुरू करें।',
      forbidden: 'यह काम ऐप से नहीं किया जा सकता।',
      not_found: 'हमें यह सत्यापन नहीं मिला। कृपया फिर से शुरू करें।',
      method_not_allowed: 'ऐप में कुछ गड़बड़ी हुई है। कृपया ऐप अपडेट करके फिर से प्रयास करें।',
      body_too_large: 'ऐप में कुछ गड़बड़ी हुई है। कृपया ऐप अपडेट करके फिर से प्रयास करें।',
      unsupported_media_type: 'ऐप में कुछ गड़बड़ी हुई है। कृपया ऐप अपडेट करके फिर से प्रयास करें।',
      idempotency_mismatch: 'ऐप में कुछ गड़बड़ी हुई है। कृपया फिर से शुरू करें।',
      verification_closed: 'यह सत्यापन समाप्त हो चुका है। कृपया फिर से शुरू करें।',
      no_call_yet: 'कृपया कॉल की प्रतीक्षा करें। कोड आपको कॉल पर बताया जाएगा।',
      too_late: 'इस कोड की समय-सीमा समाप्त होने वाली है। नए कोड के लिए कृपया फिर से शुरू करें।',
      invalid_number: 'यह फ़ोन नंबर सही नहीं लग रहा है। कृपया इसे जाँच लें।',
      number_not_allowed: 'हम इस नंबर पर कॉल नहीं कर सकते। कृपया कोई दूसरा नंबर दें।',
      rate_limited: 'आपने बहुत बार कॉल का अनुरोध किया है। कृपया बाद में प्रयास करें।',
      too_many_wrong_codes: 'इस नंबर के लिए बहुत बार गलत कोड डाला गया है। कृपया बाद में प्रयास करें।',
      store_unavailable: 'हमारी सेवा कुछ क्षणों के लिए उपलब्ध नहीं है। कृपया फिर से प्रयास करें।',
      over_capacity: 'इस समय हम बहुत व्यस्त हैं। कृपया एक मिनट बाद फिर से प्रयास करें।',
      calls_unavailable: 'हम इस समय कॉल नहीं कर पा रहे हैं। कृपया एक मिनट बाद फिर से प्रयास करें, या कोई दूसरा तरीका चुनें।',
      internal_error: 'हमारी ओर से कुछ गड़बड़ी हुई है। कृपया फिर से प्रयास करें।',
    },
  },
}

/**
 * Texts that replace some of a language.
 *
 * @typedef {{ [Table in keyof Texts]?: Texts[Table] }} PartialTexts
 */

/**
 * Returns the texts of a language (BCP 47), or else the English ones, some of them replaced.
 *
 * @param {string} [language]
 * @param {PartialTexts} [own]
 * @returns {Texts}
 */
export function textsFor(language = '', own = {}) {
  const known = texts[baseOf(language)] ?? /** @type {Texts} */ (texts['en'])
  const tables = /** @type {(keyof Texts)[]} */ (Object.keys(known))
  const merged = tables.map((table) => [table, { ...known[table], ...own[table] }])
  return Object.fromEntries(merged)
}

/**
 * Returns whether there are texts of a language.
 *
 * @param {string} language
 */
export function isKnown(language) {
  return baseOf(language) in texts
}

/** @param {string} language */
function baseOf(language) {
  return language.toLowerCase().split(/[-_]/)[0] ?? ''
}
